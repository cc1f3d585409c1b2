import { clusters } from './hdfs-clusters.ts'

clusters('3.3.6')
