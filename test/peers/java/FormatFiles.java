import java.io.File;
import java.io.FileInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;
import org.apache.avro.Schema;
import org.apache.avro.file.CodecFactory;
import org.apache.avro.file.DataFileReader;
import org.apache.avro.file.DataFileWriter;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.io.BytesWritable;
import org.apache.hadoop.io.LongWritable;
import org.apache.hadoop.io.SequenceFile;
import org.apache.hadoop.io.Text;
import org.apache.hadoop.io.Writable;
import org.apache.hadoop.io.compress.CompressionCodec;
import org.apache.hadoop.io.compress.CompressionCodecFactory;
import org.apache.hadoop.util.ReflectionUtils;

/**
 * `read FOLDER`: what Hadoop's and Avro's own readers find in each file, as `> NAME COUNT MD5`. The digest is of the bytes of a
 * compressed file, of `key TAB value LF` of a SequenceFile, of the JSON lines of an Avro container.
 * `write FOLDER`: an Avro container for each codec, `CODEC.avro`, with a thousand numbered values.
 */
public class FormatFiles {
  private static final Configuration configuration = new Configuration();

  public static void main(String[] arguments) throws Exception {
    File folder = new File(arguments[1]);
    if (arguments[0].equals("write")) write(folder);
    else read(folder);
    System.out.println("DONE");
    System.exit(0);
  }

  private static void read(File folder) throws Exception {
    File[] files = folder.listFiles();
    Arrays.sort(files);
    for (File file : files) {
      String answer;
      try {
        answer = digest(file);
      } catch (Throwable thrown) {
        answer = "failed " + thrown;
      }
      System.out.println("> " + file.getName() + " " + answer);
    }
  }

  private static String digest(File file) throws Exception {
    byte[] head = new byte[4];
    try (InputStream in = new FileInputStream(file)) {
      in.read(head);
    }
    String magic = new String(head, 0, 3, StandardCharsets.ISO_8859_1);
    MessageDigest digest = MessageDigest.getInstance("MD5");
    int count = 0;
    if (magic.equals("SEQ")) {
      Path path = new Path(file.toURI());
      try (SequenceFile.Reader reader = new SequenceFile.Reader(configuration, SequenceFile.Reader.file(path))) {
        LongWritable key = new LongWritable();
        Writable value = (Writable) ReflectionUtils.newInstance(reader.getValueClass(), configuration);
        for (; reader.next(key, value); count++) {
          digest.update((key.get() + "\t").getBytes(StandardCharsets.UTF_8));
          if (value instanceof Text) digest.update(((Text) value).getBytes(), 0, ((Text) value).getLength());
          else digest.update(((BytesWritable) value).getBytes(), 0, ((BytesWritable) value).getLength());
          digest.update((byte) '\n');
        }
      }
    } else if (magic.equals("Obj")) {
      try (DataFileReader<Object> reader = new DataFileReader<>(file, new GenericDatumReader<>())) {
        for (; reader.hasNext(); count++) digest.update((reader.next() + "\n").getBytes(StandardCharsets.UTF_8));
      }
    } else {
      CompressionCodec codec = new CompressionCodecFactory(configuration).getCodec(new Path(file.toURI()));
      try (InputStream raw = new FileInputStream(file);
          InputStream in = file.getName().endsWith(".zst")
              // Hadoop's own needs its native library; this one is what others read such files with.
              ? new com.github.luben.zstd.ZstdInputStream(raw).setContinuous(false)
              : codec.createInputStream(raw)) {
        byte[] buffer = new byte[65536];
        for (int got; (got = in.read(buffer)) > 0; count += got) digest.update(buffer, 0, got);
      }
    }
    StringBuilder hex = new StringBuilder();
    for (byte b : digest.digest()) hex.append(String.format("%02x", b));
    return count + " " + hex;
  }

  private static void write(File folder) throws Exception {
    Schema schema = new Schema.Parser().parse("{\"type\":\"record\",\"name\":\"N\",\"namespace\":\"a.b\",\"fields\":["
        + "{\"name\":\"n\",\"type\":\"long\"},{\"name\":\"t\",\"type\":[\"null\",\"string\"]}]}");
    for (String codec : new String[] {"null", "deflate", "snappy", "bzip2", "zstandard"}) {
      try (DataFileWriter<GenericRecord> writer = new DataFileWriter<>(new GenericDatumWriter<GenericRecord>(schema))) {
        writer.setCodec(CodecFactory.fromString(codec)).setSyncInterval(1000);
        writer.create(schema, new File(folder, codec + ".avro"));
        for (int i = 0; i < 1000; i++) {
          GenericRecord record = new GenericData.Record(schema);
          record.put("n", (long) i * i * 1000003L);
          record.put("t", i % 3 == 0 ? null : "text " + i);
          writer.append(record);
        }
      }
    }
  }
}
