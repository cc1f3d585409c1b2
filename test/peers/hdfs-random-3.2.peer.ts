import { randomFiles } from './hdfs-random.ts'

randomFiles('3.2.1')
