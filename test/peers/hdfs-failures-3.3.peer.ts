import { failures } from './hdfs-failures.ts'

failures('3.3.6')
