import java.util.Arrays;

/**
 * Runs another main and ends with its starter: whoever started us holds our input open, so when that process is gone,
 * however it went, we end too, shutdown hooks and all. Arguments: MAIN-CLASS and that main's arguments.
 */
public class Tethered {
  public static void main(String[] arguments) throws Exception {
    Thread tether = new Thread(() -> {
      try {
        while (System.in.read() >= 0) { }
      } catch (java.io.IOException e) {
        // As good as the end of the input.
      }
      System.exit(143);
    }, "tether");
    tether.setDaemon(true);
    tether.start();
    Class.forName(arguments[0]).getMethod("main", String[].class)
        .invoke(null, (Object) Arrays.copyOfRange(arguments, 1, arguments.length));
  }
}
