import { randomFiles } from './hdfs-random.ts'

randomFiles('3.3.6')
