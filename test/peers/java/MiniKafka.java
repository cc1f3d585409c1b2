import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.PrintStream;

/** A Kafka broker of one process. Arguments: SERVER-PROPERTIES LOG-FOLDER; the folder is formatted when it is new. */
public class MiniKafka {
  public static void main(String[] arguments) throws Exception {
    if (!new File(arguments[1], "meta.properties").exists()) {
      ByteArrayOutputStream said = new ByteArrayOutputStream();
      String[] format = {"format", "-t", "q1Sh-9_ISia_zwGINzRvyQ", "-c", arguments[0],
          "--add-scram", "SCRAM-SHA-256=[name=scram,password=s-256]", "--add-scram", "SCRAM-SHA-512=[name=scram,password=s-512]"};
      int code = kafka.tools.StorageTool.execute(format, new PrintStream(said));
      if (code != 0) {
        System.err.println(said);
        System.exit(code);
      }
    }
    kafka.Kafka.main(new String[] {arguments[0]});
  }
}
