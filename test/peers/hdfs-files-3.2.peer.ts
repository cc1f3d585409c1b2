import { hdfsFiles } from './hdfs-files.ts'

hdfsFiles('3.2.1')
