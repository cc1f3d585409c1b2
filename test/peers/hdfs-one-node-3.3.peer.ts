import { oneNode } from './hdfs-one-node.ts'

oneNode('3.3.6')
