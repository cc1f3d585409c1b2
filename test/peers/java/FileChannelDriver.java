import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.flume.Context;
import org.apache.flume.Event;
import org.apache.flume.Transaction;
import org.apache.flume.channel.file.FileChannel;
import org.apache.flume.event.EventBuilder;

/**
 * Does things to a real file channel, one after the other. Arguments: the channel's options as KEY=VALUE, "--", and steps:
 *
 *   put:N[/B]  take:N[/B]            N events in committed transactions of B
 *   put-back:N  take-back:N          ... in one transaction that is rolled back
 *   put-open:N  take-open:N          ... in one that stays open
 *   commit-open:I  rollback-open:I   ends the open transaction number I
 *   storm:N/T/SEED                   T threads put and T take, in transactions of random sizes and ends, until N events are put
 *   storm-halt:N/T/SEED              ... and the process halts while they do
 *   checkpoint  roll                 writes a checkpoint, begins new log files
 *   pause:MS                         lets the backup of a checkpoint be written
 *   drain                            takes all there is, one line each: EVENT headers body, in base64
 *   wait                             says READY and waits to be killed
 *   close  halt                      ends in good order, or as if it were killed
 */
public class FileChannelDriver {
  private static final Map<Integer, ExecutorService> open = new HashMap<>();
  private static final AtomicInteger next = new AtomicInteger();
  private static FileChannel channel;

  public static void main(String[] arguments) {
    try {
      run(arguments);
    } catch (Throwable thrown) {
      thrown.printStackTrace();
      Runtime.getRuntime().halt(1);
    }
  }

  private static void run(String[] arguments) throws Exception {
    Context context = new Context();
    int at = 0;
    for (; !arguments[at].equals("--"); at++) {
      String[] parts = arguments[at].split("=", 2);
      if (parts[0].equals("first")) next.set(Integer.parseInt(parts[1]));
      else context.put(parts[0], parts[1]);
    }
    channel = new FileChannel();
    channel.setName("c1");
    channel.configure(context);
    channel.start();
    for (at++; at < arguments.length; at++) {
      String[] words = arguments[at].split("[:/]");
      int[] numbers = new int[words.length - 1];
      for (int i = 0; i < numbers.length; i++) numbers[i] = Integer.parseInt(words[i + 1]);
      step(words[0], numbers);
    }
    System.out.println("DONE");
    Runtime.getRuntime().halt(0);
  }

  private static void step(String word, int[] numbers) throws Exception {
    switch (word) {
      case "put": case "take":
        int batch = numbers.length > 1 ? numbers[1] : numbers[0];
        for (int left = numbers[0]; left > 0; left -= batch) {
          Transaction transaction = begin(word, Math.min(batch, left));
          transaction.commit();
          transaction.close();
        }
        break;
      case "put-back": case "take-back":
        Transaction transaction = begin(word, numbers[0]);
        transaction.rollback();
        transaction.close();
        break;
      case "put-open": case "take-open":
        ExecutorService thread = Executors.newSingleThreadExecutor();
        open.put(open.size(), thread);
        thread.submit(() -> { begin(word, numbers[0]); return null; }).get();
        break;
      case "commit-open": case "rollback-open":
        open.get(numbers[0]).submit(() -> {
          Transaction mine = channel.getTransaction();
          if (word.startsWith("commit")) mine.commit(); else mine.rollback();
          mine.close();
        }).get();
        break;
      case "storm": storm(numbers[0], numbers[1], numbers[2], false); break;
      case "storm-halt": storm(numbers[0], numbers[1], numbers[2], true); break;
      case "checkpoint": call(log(), "writeCheckpoint", Boolean.class, true); break;
      case "roll":
        Field files = log().getClass().getDeclaredField("logDirs");
        files.setAccessible(true);
        int count = ((Object[]) files.get(log())).length;
        for (int i = 0; i < count; i++) call(log(), "roll", int.class, i);
        break;
      case "pause": Thread.sleep(numbers[0]); break;
      case "drain": drain(); break;
      case "wait":
        System.out.println("READY");
        Thread.sleep(3600_000L);
        break;
      case "close": channel.stop(); break;
      case "halt":
        System.out.println("DONE");
        System.out.flush();
        Runtime.getRuntime().halt(0);
        break;
      default: throw new IllegalArgumentException(word);
    }
  }

  private static Transaction begin(String word, int count) {
    Transaction transaction = channel.getTransaction();
    transaction.begin();
    for (int i = 0; i < count; i++) {
      if (word.startsWith("put")) channel.put(event(next.getAndIncrement()));
      else if (channel.take() == null) throw new IllegalStateException("nothing to take");
    }
    return transaction;
  }

  /** Bodies of many sizes, some empty; headers with and without values, in several scripts. */
  private static Event event(int number) {
    StringBuilder body = new StringBuilder();
    if (number % 17 != 16) body.append("event ").append(number);
    for (int i = 0; i < number % 50; i++) body.append(" \u00e9\u2603").append(i);
    Map<String, String> headers = new HashMap<>();
    headers.put("n", String.valueOf(number));
    if (number % 3 == 0) headers.put("host", "caf\u00e9-" + number % 5);
    if (number % 7 == 0) headers.put("none", null);
    if (number % 11 == 0) headers.put("", "x\ny");
    return EventBuilder.withBody(body.toString().getBytes(StandardCharsets.UTF_8), headers);
  }

  private static void storm(int events, int threads, int seed, boolean halts) throws Exception {
    int end = next.get() + events;
    List<Thread> putters = new ArrayList<>();
    List<Thread> all = new ArrayList<>();
    boolean[] over = {false};
    for (int t = 0; t < 2 * threads; t++) {
      boolean puts = t < threads;
      Random random = new Random(31L * seed + t);
      Thread thread = new Thread(() -> {
        while (puts ? next.get() < end : !over[0]) {
          Transaction transaction = channel.getTransaction();
          transaction.begin();
          int count = 1 + random.nextInt(20);
          for (int i = 0; i < count; i++) {
            if (puts) channel.put(event(next.getAndIncrement()));
            else if (random.nextInt(3) == 0 || channel.take() == null) break;
          }
          if (random.nextInt(8) == 0) transaction.rollback(); else transaction.commit();
          transaction.close();
        }
      });
      thread.start();
      all.add(thread);
      if (puts) putters.add(thread);
    }
    if (halts) {
      while (next.get() < end) Thread.sleep(1);
      Runtime.getRuntime().halt(0);
    }
    for (Thread thread : putters) thread.join();
    over[0] = true;
    for (Thread thread : all) thread.join();
  }

  private static void drain() {
    for (boolean isEmpty = false; !isEmpty; ) {
      Transaction transaction = channel.getTransaction();
      transaction.begin();
      StringBuilder lines = new StringBuilder();
      for (int i = 0; i < 100 && !isEmpty; i++) {
        Event event = channel.take();
        isEmpty = event == null;
        if (!isEmpty) lines.append("EVENT ").append(text(event)).append('\n');
      }
      transaction.commit();
      transaction.close();
      System.out.print(lines);
    }
  }

  private static String text(Event event) {
    StringBuilder headers = new StringBuilder();
    for (Map.Entry<String, String> entry : new TreeMap<>(event.getHeaders()).entrySet()) {
      headers.append(entry.getKey()).append('=').append(entry.getValue()).append(';');
    }
    Base64.Encoder encoder = Base64.getEncoder();
    return encoder.encodeToString(headers.toString().getBytes(StandardCharsets.UTF_8)) + " "
        + encoder.encodeToString(event.getBody());
  }

  private static Object log() throws Exception {
    Field log = FileChannel.class.getDeclaredField("log");
    log.setAccessible(true);
    return log.get(channel);
  }

  private static void call(Object target, String name, Class<?> type, Object argument) throws Exception {
    Method method = target.getClass().getDeclaredMethod(name, type);
    method.setAccessible(true);
    method.invoke(target, argument);
  }
}
