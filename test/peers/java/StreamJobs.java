import java.io.BufferedReader;
import java.io.File;
import java.io.PrintWriter;
import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.Optional;
import org.apache.spark.rdd.RDD;
import org.apache.spark.streaming.Duration;
import org.apache.spark.streaming.Durations;
import org.apache.spark.streaming.State;
import org.apache.spark.streaming.StateSpec;
import org.apache.spark.streaming.StreamingContext;
import org.apache.spark.streaming.Time;
import org.apache.spark.streaming.api.java.JavaDStream;
import org.apache.spark.streaming.api.java.JavaMapWithStateDStream;
import org.apache.spark.streaming.api.java.JavaPairDStream;
import org.apache.spark.streaming.api.java.JavaStreamingContext;
import org.apache.spark.streaming.dstream.InputDStream;
import org.apache.spark.util.ManualClock;
import scala.Tuple2;
import scala.reflect.ClassTag;
import scala.reflect.ClassTag$;

/**
 * Runs named jobs over given batches, on a clock moved by hand that starts at 0, one virtual machine for all. Argument: a
 * file with lines "JOB name source batches" (source: queue, all, given or files) and "BATCH stream record…", separated by
 * tabs; "NONE stream" is a batch without data set. Prints "> JOB TIME record…" for each batch of each result, then DONE.
 */
public class StreamJobs {
  static final ClassTag<String> STRINGS = ClassTag$.MODULE$.apply(String.class);
  static final Map<String, Job> JOBS = new LinkedHashMap<>();
  static final LinkedBlockingQueue<Long> DONE = new LinkedBlockingQueue<>();
  /** The records of the running job, by stream and batch; null for a batch without data set. */
  static List<List<List<String>>> given = new ArrayList<>();
  static JavaSparkContext spark;

  interface Job extends Serializable {
    void define(Streams streams);
  }

  /** An input whose batches are known by their number, and which has none in some. */
  static class Given extends InputDStream<String> {
    private final int stream;

    Given(StreamingContext context, int stream) {
      super(context, STRINGS);
      this.stream = stream;
    }

    @Override public void start() {}

    @Override public void stop() {}

    @Override public scala.Option<RDD<String>> compute(Time time) {
      int batch = (int) (time.milliseconds() / 1000) - 1;
      List<List<String>> batches = given.get(stream);
      List<String> records = batch < batches.size() ? batches.get(batch) : new ArrayList<String>();
      if (records == null) return scala.Option.empty();
      return scala.Option.apply(spark.parallelize(records, 2).rdd());
    }
  }

  /** What a job is made from and where its result goes. */
  static class Streams {
    final JavaStreamingContext context;
    final String name;
    final String source;
    final String folder;

    Streams(JavaStreamingContext context, String name, String source, String folder) {
      this.context = context;
      this.name = name;
      this.source = source;
      this.folder = folder;
    }

    JavaDStream<String> words(int stream) {
      if (source.equals("given")) return JavaDStream.fromDStream(new Given(context.ssc(), stream), STRINGS);
      if (source.equals("files")) return context.textFileStream(folder + "/in" + stream);
      Queue<JavaRDD<String>> queue = new LinkedList<>();
      for (List<String> records : given.get(stream)) queue.add(spark.parallelize(records, 2));
      return context.queueStream(queue, !source.equals("all"));
    }

    JavaDStream<Integer> numbers(int stream) {
      return words(stream).map(text -> Integer.parseInt(text));
    }

    /** Records such as "a 1". */
    JavaPairDStream<String, Integer> pairs(int stream) {
      return words(stream).mapToPair(text -> new Tuple2<>(text.split(" ")[0], Integer.parseInt(text.split(" ")[1])));
    }

    JavaPairDStream<String, Integer> ones(int stream) {
      return words(stream).mapToPair(word -> new Tuple2<>(word, 1));
    }

    void out(JavaDStream<?> stream) {
      String job = name;
      stream.foreachRDD((rdd, time) -> emit(job, time, rdd.collect()));
    }

    <K, V> void out(JavaPairDStream<K, V> stream) {
      String job = name;
      stream.foreachRDD((rdd, time) -> emit(job, time, rdd.collect()));
    }
  }

  static synchronized void emit(String job, Time time, List<?> records) {
    StringBuilder line = new StringBuilder("> " + job + "\t" + time.milliseconds());
    for (Object record : records) line.append("\t").append(show(record));
    System.out.println(line);
  }

  static String show(Object value) {
    if (value instanceof Tuple2) return "(" + show(((Tuple2<?, ?>) value)._1()) + "," + show(((Tuple2<?, ?>) value)._2()) + ")";
    if (value instanceof Optional) return ((Optional<?>) value).isPresent() ? show(((Optional<?>) value).get()) : "undefined";
    if (value instanceof Double && (Double) value == Math.rint((Double) value)) return String.valueOf(((Double) value).longValue());
    if (value instanceof Iterable) {
      List<String> texts = new ArrayList<>();
      for (Object one : (Iterable<?>) value) texts.add(show(one));
      return "(" + String.join(",", texts) + ")";
    }
    return String.valueOf(value);
  }

  static <T extends Comparable<T>> List<T> sorted(Iterable<T> values) {
    List<T> list = new ArrayList<>();
    for (T value : values) list.add(value);
    Collections.sort(list);
    return list;
  }

  static Duration seconds(long seconds) {
    return Durations.seconds(seconds);
  }

  static Optional<Integer> sum(List<Integer> values, Optional<Integer> state) {
    int sum = state.isPresent() ? state.get() : 0;
    for (int value : values) sum += value;
    return Optional.of(sum);
  }

  static String running(String key, Optional<Integer> value, State<Integer> state) {
    if (state.isTimingOut()) return key + " out with " + state.get();
    int sum = (state.exists() ? state.get() : 0) + (value.isPresent() ? value.get() : 0);
    state.update(sum);
    return key + sum;
  }

  static void job(String name, Job job) {
    JOBS.put(name, job);
  }

  static {
    // Record by record.
    job("map", s -> s.out(s.words(0).map(word -> word.toUpperCase())));
    job("flatMap", s -> s.out(s.words(0).flatMap(line -> Arrays.asList(line.split("-")).iterator())));
    job("filter", s -> s.out(s.words(0).filter(word -> word.compareTo("b") > 0)));
    job("glom", s -> s.out(s.words(0).glom()));
    job("mapPartitions", s -> s.out(s.words(0).mapPartitions(words -> {
      List<String> all = new ArrayList<>();
      while (words.hasNext()) all.add(words.next());
      return Collections.singletonList(all.size()).iterator();
    })));
    // Whole batches.
    job("repartition", s -> s.out(s.words(0).repartition(3)));
    job("repartition sizes", s -> s.out(s.words(0).repartition(3).glom().map(list -> list.size() <= 3)));
    job("union", s -> s.out(s.words(0).union(s.words(1))));
    job("reduce", s -> s.out(s.numbers(0).reduce((a, b) -> a + b)));
    job("count", s -> s.out(s.words(0).count()));
    job("countByValue", s -> s.out(s.words(0).countByValue()));
    job("transform distinct", s -> s.out(s.words(0).transform(rdd -> rdd.distinct())));
    job("transform with time", s -> s.out(s.words(0).transform((rdd, time) -> {
      long ms = time.milliseconds();
      return rdd.map(word -> word + "@" + ms);
    })));
    job("transform sort and number", s -> s.out(s.words(0).transformToPair(rdd -> rdd.sortBy(word -> word, false, 2).zipWithIndex())));
    job("transformWith subtract", s -> s.out(s.words(0).transformWith(s.words(1), (a, b, time) -> a.subtract(b))));
    job("transform of three", s -> {
      JavaDStream<String> first = s.words(0);
      JavaDStream<String> second = s.words(1);
      s.out(s.context.transform(Arrays.asList(first, second), (rdds, time) -> {
        @SuppressWarnings("unchecked") JavaRDD<String> a = (JavaRDD<String>) rdds.get(0);
        @SuppressWarnings("unchecked") JavaRDD<String> b = (JavaRDD<String>) rdds.get(1);
        return a.cartesian(b).map(pair -> pair._1() + pair._2());
      }));
    });
    // Pairs.
    job("reduceByKey", s -> s.out(s.ones(0).reduceByKey((a, b) -> a + b)));
    job("reduceByKey in 5", s -> s.out(s.ones(0).reduceByKey((a, b) -> a + b, 5)));
    job("groupByKey", s -> s.out(s.pairs(0).groupByKey().mapValues(values -> sorted(values))));
    job("combineByKey", s -> s.out(s.pairs(0).combineByKey(
        value -> new Tuple2<>(value, 1),
        (total, value) -> new Tuple2<>(total._1() + value, total._2() + 1),
        (a, b) -> new Tuple2<>(a._1() + b._1(), a._2() + b._2()),
        new org.apache.spark.HashPartitioner(2))));
    job("mapValues", s -> s.out(s.pairs(0).mapValues(value -> -value)));
    job("flatMapValues", s -> s.out(flatMapValues(s.pairs(0))));
    job("join", s -> s.out(s.pairs(0).join(s.pairs(1))));
    job("leftOuterJoin", s -> s.out(s.pairs(0).leftOuterJoin(s.pairs(1))));
    job("rightOuterJoin", s -> s.out(s.pairs(0).rightOuterJoin(s.pairs(1))));
    job("fullOuterJoin", s -> s.out(s.pairs(0).fullOuterJoin(s.pairs(1))));
    job("cogroup", s -> s.out(s.pairs(0).cogroup(s.pairs(1)).mapValues(both -> new Tuple2<>(sorted(both._1()), sorted(both._2())))));
    job("keys that are pairs", s -> s.out(s.words(0).mapToPair(word -> new Tuple2<>(new Tuple2<>(word, word.length()), 1)).reduceByKey((a, b) -> a + b)));
    job("keys that are null", s -> s.out(s.words(0).mapToPair(word -> new Tuple2<>(word.equals("a") ? null : word, 1)).reduceByKey((a, b) -> a + b)));
    // Windows.
    job("window 3", s -> s.out(s.words(0).window(seconds(3))));
    job("window 4 by 2", s -> s.out(s.words(0).window(seconds(4), seconds(2))));
    job("window 1 by 3", s -> s.out(s.words(0).window(seconds(1), seconds(3))));
    job("window of window", s -> s.out(s.words(0).window(seconds(2), seconds(2)).window(seconds(4), seconds(2))));
    job("map behind window", s -> s.out(s.words(0).window(seconds(4), seconds(2)).map(word -> word + "!").countByValue()));
    job("reduceByWindow", s -> s.out(s.numbers(0).reduceByWindow((a, b) -> a + b, seconds(3), seconds(1))));
    job("reduceByWindow inverse", s -> s.out(s.numbers(0).reduceByWindow((a, b) -> a + b, (a, b) -> a - b, seconds(3), seconds(1))));
    job("countByWindow", s -> s.out(s.words(0).countByWindow(seconds(3), seconds(1))));
    job("countByWindow by 2", s -> s.out(s.words(0).countByWindow(seconds(4), seconds(2))));
    job("countByValueAndWindow", s -> s.out(s.words(0).countByValueAndWindow(seconds(3), seconds(1))));
    job("reduceByKeyAndWindow", s -> s.out(s.ones(0).reduceByKeyAndWindow((a, b) -> a + b, seconds(3))));
    job("reduceByKeyAndWindow by 2", s -> s.out(s.ones(0).reduceByKeyAndWindow((a, b) -> a + b, seconds(4), seconds(2))));
    job("reduceByKeyAndWindow inverse", s -> s.out(s.ones(0).reduceByKeyAndWindow((a, b) -> a + b, (a, b) -> a - b, seconds(3), seconds(1))));
    job("reduceByKeyAndWindow inverse by 2", s -> s.out(s.ones(0).reduceByKeyAndWindow((a, b) -> a + b, (a, b) -> a - b, seconds(4), seconds(2))));
    job("reduceByKeyAndWindow inverse filtered", s -> s.out(s.ones(0).reduceByKeyAndWindow(
        (a, b) -> a + b, (a, b) -> a - b, seconds(3), seconds(1), 2, pair -> pair._2() > 0)));
    job("groupByKeyAndWindow", s -> s.out(s.pairs(0).groupByKeyAndWindow(seconds(3)).mapValues(values -> sorted(values))));
    job("join of windows", s -> s.out(s.pairs(0).window(seconds(3)).join(s.pairs(1))));
    job("union of windows", s -> s.out(s.words(0).window(seconds(2)).union(s.words(1).window(seconds(3)))));
    // State.
    job("updateStateByKey", s -> s.out(s.ones(0).updateStateByKey((List<Integer> values, Optional<Integer> state) -> sum(values, state))));
    job("updateStateByKey removing", s -> s.out(s.ones(0).updateStateByKey((List<Integer> values, Optional<Integer> state) ->
        values.isEmpty() ? Optional.<Integer>empty() : sum(values, state))));
    job("updateStateByKey from initial state", s -> s.out(s.ones(0).updateStateByKey(
        (List<Integer> values, Optional<Integer> state) -> sum(values, state),
        new org.apache.spark.HashPartitioner(3),
        JavaPairRDD.fromJavaRDD(spark.parallelize(Arrays.asList(new Tuple2<>("a", 10), new Tuple2<>("z", 20)))))));
    job("window over state", s -> s.out(s.ones(0).updateStateByKey((List<Integer> values, Optional<Integer> state) -> sum(values, state))
        .window(seconds(2), seconds(2))));
    job("mapWithState", s -> s.out(s.ones(0).mapWithState(StateSpec.function(StreamJobs::running))));
    job("mapWithState snapshots", s -> s.out(s.ones(0).mapWithState(StateSpec.function(StreamJobs::running)).stateSnapshots()));
    job("mapWithState removing", s -> s.out(s.ones(0).mapWithState(StateSpec.function(
        (String key, Optional<Integer> value, State<Integer> state) -> {
          int sum = (state.exists() ? state.get() : 0) + value.get();
          if (sum >= 3) state.remove();
          else state.update(sum);
          return key + sum + state.exists();
        }))));
    job("mapWithState with time", s -> s.out(s.ones(0).mapWithState(StateSpec.function(
        (Time time, String key, Optional<Integer> value, State<Long> state) -> {
          Optional<String> said = state.exists() ? Optional.of(key + (time.milliseconds() - state.get())) : Optional.<String>empty();
          state.update(time.milliseconds());
          return said;
        }))));
    job("mapWithState from initial state", s -> s.out(s.ones(0).mapWithState(StateSpec.function(StreamJobs::running)
        .initialState(JavaPairRDD.fromJavaRDD(spark.parallelize(Arrays.asList(new Tuple2<>("a", 10), new Tuple2<>("z", 20))))))));
    job("mapWithState timing out", s -> {
      JavaMapWithStateDStream<String, Integer, Integer, String> mapped =
          s.ones(0).mapWithState(StateSpec.function(StreamJobs::running).timeout(seconds(2)));
      mapped.checkpoint(seconds(1));
      s.out(mapped);
    });
    // Batches without data set.
    job("gaps map", s -> s.out(s.words(0).map(word -> word)));
    job("gaps window", s -> s.out(s.words(0).window(seconds(2))));
    job("gaps updateStateByKey", s -> s.out(s.ones(0).updateStateByKey((List<Integer> values, Optional<Integer> state) -> sum(values, state))));
    job("gaps mapWithState snapshots", s -> s.out(s.ones(0).mapWithState(StateSpec.function(StreamJobs::running)).stateSnapshots()));
    // Data sets by themselves.
    job("rdd set operations", s -> s.out(s.words(0).transformWith(s.words(1), (a, b, time) -> a.intersection(b).union(b.distinct().coalesce(1)))));
    job("rdd aggregateByKey", s -> s.out(s.pairs(0).transformToPair(rdd -> rdd.aggregateByKey(0, (a, b) -> a + b, (a, b) -> Math.max(a, b) * 0 + a + b))));
    job("rdd foldByKey and sortByKey", s -> s.out(s.pairs(0).transformToPair(rdd -> rdd.foldByKey(0, (a, b) -> a + b).sortByKey(false))));
    job("rdd groupBy", s -> s.out(s.words(0).transformToPair(rdd -> rdd.groupBy(word -> word.length()).mapValues(words -> sorted(words)))));
    job("rdd subtractByKey", s -> s.out(s.pairs(0).transformWithToPair(s.pairs(1), (a, b, time) -> a.subtractByKey(b))));
    job("rdd zips", s -> s.out(s.words(0).transformToPair(rdd -> rdd.zip(rdd.map(word -> word + word)).mapToPair(pair -> pair))));
    job("rdd zipWithUniqueId", s -> s.out(s.words(0).transformToPair(rdd -> rdd.zipWithUniqueId())));
    job("rdd actions", s -> {
      String name = s.name;
      s.numbers(0).foreachRDD((rdd, time) -> {
        List<Object> results = new ArrayList<>();
        results.add(rdd.count());
        results.add(rdd.isEmpty());
        results.add(rdd.top(2));
        results.add(rdd.takeOrdered(2));
        results.add(rdd.take(3));
        results.add(rdd.fold(0, (a, b) -> a + b));
        results.add(rdd.aggregate("", (text, number) -> text.length() > 0 ? text : "x", (a, b) -> a.length() > 0 ? a : b));
        results.add(rdd.mapToDouble(number -> (double) number).sum());
        results.add(sorted(rdd.countByValue().values()));
        results.add(rdd.getNumPartitions());
        emit(name, time, results);
      });
    });
    // A function that fails for some records: that operation has no result, the others and later batches do.
    job("a function that throws", s -> s.out(s.words(0).map(word -> {
      if (word.equals("d")) throw new IllegalStateException("no d");
      return word;
    })));
    // What comes from files, and what goes there.
    job("files", s -> s.out(s.words(0).mapToPair(word -> new Tuple2<>(word, 1)).reduceByKey((a, b) -> a + b)));
    job("files in windows", s -> s.out(s.words(0).countByValueAndWindow(seconds(3), seconds(1))));
    job("all that is queued", s -> s.out(s.words(0)));
    job("print", s -> s.words(0).print(2));
    job("print pairs", s -> s.words(0).mapToPair(word -> new Tuple2<>(new Tuple2<>(word, (Object) null), word.length())).print());
    job("saveAsTextFiles", s -> s.words(0).mapToPair(word -> new Tuple2<>(word, 1)).dstream().saveAsTextFiles(s.folder + "/out", "txt"));
  }

  static JavaPairDStream<String, Integer> flatMapValues(JavaPairDStream<String, Integer> pairs) {
    // The Java signature of flatMapValues differs between 2.4 and 3; this is what it does.
    return pairs.flatMapToPair(pair -> {
      List<Tuple2<String, Integer>> all = new ArrayList<>();
      for (int i = 1; i <= pair._2(); i++) all.add(new Tuple2<>(pair._1(), i));
      return all.iterator();
    });
  }

  static void run(String name, String source, int batches, String folder) throws Exception {
    Job job = JOBS.get(name);
    if (job == null) {
      System.out.println("! no job " + name);
      return;
    }
    JavaStreamingContext context = new JavaStreamingContext(spark, seconds(1));
    context.checkpoint(folder + "/checkpoint");
    if (source.equals("files")) for (int i = 0; i < given.size(); i++) new File(folder + "/in" + i).mkdirs();
    System.out.println("# " + name);
    job.define(new Streams(context, name, source, folder));
    // Every batch has this one, so it tells when a batch is done.
    context.queueStream(new LinkedList<JavaRDD<Integer>>()).foreachRDD((rdd, time) -> DONE.add(time.milliseconds()));
    context.start();
    ManualClock clock = (ManualClock) context.ssc().scheduler().clock();
    for (int batch = 1; batch <= batches; batch++) {
      if (source.equals("files")) writeFiles(folder, batch);
      clock.advance(1000);
      Long time = DONE.poll(60, TimeUnit.SECONDS);
      if (time == null || time != batch * 1000L) {
        System.out.println("! " + name + ": batch " + batch + " ended with " + time);
        break;
      }
    }
    context.stop(false, false);
    DONE.clear();
    System.out.flush();
  }

  /** Files of a batch are half a second older than it, and are moved in whole. */
  static void writeFiles(String folder, int batch) throws Exception {
    for (int i = 0; i < given.size(); i++) {
      if (batch > given.get(i).size()) continue;
      File outside = new File(folder + "/moving");
      Files.write(outside.toPath(), given.get(i).get(batch - 1), StandardCharsets.UTF_8);
      outside.setLastModified(batch * 1000L - 500);
      outside.renameTo(new File(folder + "/in" + i + "/" + batch));
    }
  }

  public static void main(String[] arguments) throws Exception {
    SparkConf conf = new SparkConf().setAppName("StreamJobs").setMaster("local[2]")
        .set("spark.ui.enabled", "false")
        .set("spark.driver.host", "127.0.0.1")
        .set("spark.driver.bindAddress", "127.0.0.1")
        .set("spark.streaming.clock", "org.apache.spark.util.ManualClock");
    spark = new JavaSparkContext(conf);
    String folder = new File(arguments[0]).getParent();
    List<String> lines = Files.readAllLines(Paths.get(arguments[0]), StandardCharsets.UTF_8);
    for (int at = 0, number = 0; at < lines.size(); number++) {
      String[] head = lines.get(at++).split("\t", -1);
      given = new ArrayList<>();
      for (; at < lines.size() && !lines.get(at).startsWith("JOB\t"); at++) {
        String[] words = lines.get(at).split("\t", -1);
        int stream = Integer.parseInt(words[1]);
        while (given.size() <= stream) given.add(new ArrayList<>());
        List<String> records = Arrays.asList(words).subList(2, words.length);
        given.get(stream).add(words[0].equals("NONE") ? null : new ArrayList<>(records));
      }
      run(head[1], head[2], Integer.parseInt(head[3]), folder + "/" + number);
    }
    spark.stop();
    System.out.println("DONE");
    System.out.flush();
  }
}
