import { hdfsFiles } from './hdfs-files.ts'

hdfsFiles('3.3.6')
