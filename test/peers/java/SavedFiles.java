import java.io.File;
import java.util.Arrays;
import org.apache.avro.file.DataFileReader;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.spark.sql.DataFrameReader;
import org.apache.spark.sql.SparkSession;

/** Reads folders of files with Spark: arguments are NAME=FORMAT=FOLDER; each record is a line "NAME JSON". */
public class SavedFiles {
  public static void main(String[] args) throws Exception {
    SparkSession spark =
        SparkSession.builder()
            .master("local[1]")
            .appName("read")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.jsonGenerator.ignoreNullFields", "false")
            .getOrCreate();
    for (String arg : args) {
      String[] parts = arg.split("=", 3);
      String name = parts[0];
      if (parts[1].equals("avro")) {
        // Spark reads Avro with this very library, in a module of its own.
        File[] files = new File(parts[2]).listFiles((folder, file) -> file.endsWith(".avro"));
        Arrays.sort(files);
        for (File file : files) {
          try (DataFileReader<Object> reader = new DataFileReader<>(file, new GenericDatumReader<>())) {
            for (Object record : reader) System.out.println(name + " " + record);
          }
        }
        continue;
      }
      DataFrameReader reader = spark.read();
      if (parts[1].equals("csv")) reader = reader.option("header", "true").option("escape", "\"").option("multiLine", "true");
      for (String json : reader.format(parts[1]).load(parts[2]).toJSON().collectAsList()) {
        System.out.println(name + " " + json);
      }
    }
    System.out.println("DONE");
  }
}
