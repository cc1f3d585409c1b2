import java.io.File;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.apache.flume.Channel;
import org.apache.flume.Sink;
import org.apache.flume.SinkProcessor;
import org.apache.flume.SinkRunner;
import org.apache.flume.SourceRunner;
import org.apache.flume.node.ConfigurationSource;
import org.apache.flume.node.FileConfigurationSource;
import org.apache.flume.node.MaterializedConfiguration;
import org.apache.flume.node.UriConfigurationProvider;
import org.apache.flume.sink.DefaultSinkProcessor;

/**
 * Reads every file of a folder, named NUMBER-AGENT.properties, as Flume's own provider of configurations does; prints what
 * would run, one line each: "> NUMBER r1>c1+c2 k1<c1 g1=FailoverSinkProcessor(k2<c1 k3<c1) [c1 c2]", or the failure.
 */
public class ConfigOutcomes {
  public static void main(String[] arguments) throws Exception {
    File[] files = new File(arguments[0]).listFiles();
    Arrays.sort(files);
    for (File file : files) {
      String name = file.getName();
      String agent = name.substring(name.indexOf('-') + 1, name.indexOf('.'));
      String outcome;
      try {
        outcome = outcomeOf(agent, file);
      } catch (Throwable thrown) {
        outcome = "!" + thrown.getClass().getSimpleName();
      }
      System.out.println("> " + name.substring(0, name.indexOf('-')) + " " + outcome);
    }
    System.out.println("DONE");
    // Channels and interceptors may have left threads behind.
    System.exit(0);
  }

  private static String outcomeOf(String agent, File file) throws Exception {
    List<ConfigurationSource> sources = new ArrayList<>();
    sources.add(new FileConfigurationSource(file.toURI()));
    MaterializedConfiguration made = new UriConfigurationProvider(agent, sources, null, null, 0).getConfiguration();
    TreeSet<String> parts = new TreeSet<>();
    for (Map.Entry<String, SourceRunner> source : made.getSourceRunners().entrySet()) {
      TreeSet<String> channels = new TreeSet<>();
      for (Channel channel : source.getValue().getSource().getChannelProcessor().getSelector().getAllChannels()) {
        channels.add(channel.getName());
      }
      parts.add(source.getKey() + ">" + String.join("+", channels));
    }
    for (Map.Entry<String, SinkRunner> runner : made.getSinkRunners().entrySet()) {
      SinkProcessor processor = runner.getValue().getPolicy();
      TreeSet<String> sinks = new TreeSet<>();
      for (Sink sink : sinksOf(processor)) sinks.add(sink.getName() + "<" + sink.getChannel().getName());
      String all = String.join(" ", sinks);
      boolean alone = processor instanceof DefaultSinkProcessor && all.startsWith(runner.getKey() + "<");
      parts.add(alone ? all : runner.getKey() + "=" + processor.getClass().getSimpleName() + "(" + all + ")");
    }
    return String.join(" ", parts) + " [" + String.join(" ", new TreeSet<>(made.getChannels().keySet())) + "]";
  }

  /** A processor keeps its sinks to itself: in a map, in a list, or only one. */
  private static List<Sink> sinksOf(SinkProcessor processor) throws Exception {
    List<Sink> one = new ArrayList<>();
    for (Class<?> type = processor.getClass(); type != null; type = type.getSuperclass()) {
      for (java.lang.reflect.Field field : type.getDeclaredFields()) {
        field.setAccessible(true);
        Object value = field.get(processor);
        if (value instanceof Sink) one.add((Sink) value);
        if (value instanceof Map) value = new ArrayList<Object>(((Map<?, ?>) value).values());
        if (!(value instanceof List)) continue;
        List<Sink> all = new ArrayList<>();
        for (Object element : (List<?>) value) if (element instanceof Sink) all.add((Sink) element);
        // A map by priority leaves out those whose priority another one has; they are in the group nevertheless.
        if (all.size() > one.size()) one = all;
      }
    }
    if (one.isEmpty()) throw new IllegalStateException("no sink in " + processor);
    return one;
  }
}
