import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedList;
import java.util.Queue;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.Optional;
import org.apache.spark.streaming.Durations;
import org.apache.spark.streaming.api.java.JavaDStream;
import org.apache.spark.streaming.api.java.JavaPairDStream;
import org.apache.spark.streaming.api.java.JavaStreamingContext;
import org.apache.spark.streaming.scheduler.BatchInfo;
import org.apache.spark.streaming.scheduler.StreamingListener;
import org.apache.spark.streaming.scheduler.StreamingListenerBatchCompleted;
import scala.Tuple2;

/** The job of test/bench/stream-job.ts in Java, for a real Spark. Arguments: JOB INTERVAL-MS BATCHES CHECKPOINT-FOLDER FILES… */
public class StreamLoad {
  public static void main(String[] arguments) throws Exception {
    String job = arguments[0];
    int interval = Integer.parseInt(arguments[1]);
    int batches = Integer.parseInt(arguments[2]);
    String files = String.join(",", Arrays.copyOfRange(arguments, 4, arguments.length));
    SparkConf conf = new SparkConf().setAppName("load").setMaster("local[2]").set("spark.ui.enabled", "false");
    JavaStreamingContext streaming = new JavaStreamingContext(conf, Durations.milliseconds(interval));
    JavaSparkContext spark = streaming.sparkContext();
    spark.setLogLevel("ERROR");
    streaming.checkpoint(arguments[3]);
    Queue<JavaRDD<String>> queue = new LinkedList<>();
    if (!files.isEmpty()) for (int i = 0; i < batches; i++) queue.add(spark.textFile(files));
    JavaDStream<String> lines = streaming.queueStream(queue);
    JavaPairDStream<String, Integer> words = lines
        .flatMap(line -> Arrays.asList(line.split(" ")).iterator())
        .mapToPair(word -> new Tuple2<>(word, 1));
    JavaPairDStream<String, Integer> result;
    switch (job) {
      case "words":
        result = words.reduceByKey((a, b) -> a + b);
        break;
      case "window":
        result = words.reduceByKeyAndWindow((a, b) -> a + b, (a, b) -> a - b,
            Durations.milliseconds(3 * interval), Durations.milliseconds(interval));
        break;
      default:
        result = lines.mapToPair(line -> new Tuple2<>(line, 1)).updateStateByKey((values, state) -> {
          int sum = state.orElse(0);
          for (int value : values) sum += value;
          return Optional.of(sum);
        });
    }
    result.foreachRDD(rdd -> System.out.println("> keys " + rdd.count()));
    streaming.ssc().addStreamingListener(new StreamingListener() {
      private int done = 0;

      @Override public void onBatchCompleted(StreamingListenerBatchCompleted completed) {
        BatchInfo info = completed.batchInfo();
        System.out.println("> batch " + info.processingDelay().get() + " " + info.schedulingDelay().get());
        if (++done == batches) System.out.println("> done");
      }
    });
    streaming.start();
    streaming.awaitTermination();
  }
}
