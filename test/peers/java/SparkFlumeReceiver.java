import java.nio.charset.StandardCharsets;
import org.apache.spark.SparkConf;
import org.apache.spark.streaming.Durations;
import org.apache.spark.streaming.api.java.JavaDStream;
import org.apache.spark.streaming.api.java.JavaStreamingContext;
import org.apache.spark.streaming.flume.FlumeUtils;
import org.apache.spark.streaming.flume.SparkFlumeEvent;

/**
 * Spark's own Flume receiver, in one-second batches. Arguments: push|poll HOST PORT. push listens for Avro, poll pulls
 * from a Spark sink. Prints each event as "EVENT {headers} body" and each batch as "BATCH count".
 */
public class SparkFlumeReceiver {
  public static void main(String[] arguments) throws Exception {
    SparkConf conf = new SparkConf().setAppName("SparkFlumeReceiver").setMaster("local[2]")
        .set("spark.ui.enabled", "false")
        .set("spark.driver.host", "127.0.0.1")
        .set("spark.driver.bindAddress", "127.0.0.1");
    JavaStreamingContext context = new JavaStreamingContext(conf, Durations.seconds(1));
    int port = Integer.parseInt(arguments[2]);
    JavaDStream<SparkFlumeEvent> events = arguments[0].equals("push")
        ? FlumeUtils.createStream(context, arguments[1], port)
        : FlumeUtils.createPollingStream(context, arguments[1], port);
    events
        .map(event -> "EVENT " + event.event().getHeaders() + " "
            + new String(event.event().getBody().array(), StandardCharsets.UTF_8))
        .foreachRDD(batch -> {
          java.util.List<String> lines = batch.collect();
          for (String line : lines) System.out.println(line);
          System.out.println("BATCH " + lines.size());
          System.out.flush();
        });
    context.start();
    System.out.println("READY");
    System.out.flush();
    context.awaitTermination();
  }
}
