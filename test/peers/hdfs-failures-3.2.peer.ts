import { failures } from './hdfs-failures.ts'

failures('3.2.1')
