import { clusters } from './hdfs-clusters.ts'

clusters('3.2.1')
