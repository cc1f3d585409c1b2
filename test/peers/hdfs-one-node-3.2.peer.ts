import { oneNode } from './hdfs-one-node.ts'

oneNode('3.2.1')
