import java.io.File;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.MiniDFSCluster;

/**
 * A whole HDFS in one process, WebHDFS included, on ports of its own choosing.
 * Arguments: FOLDER DATANODES. Prints "READY hdfs://HOST:PORT http://HOST:PORT" once it serves.
 */
public class MiniHdfs {
  public static void main(String[] arguments) throws Exception {
    int datanodes = Integer.parseInt(arguments[1]);
    Configuration configuration = new Configuration();
    configuration.setInt("dfs.replication", datanodes);
    configuration.setBoolean("dfs.webhdfs.enabled", true);
    configuration.setBoolean("dfs.permissions.enabled", false);
    MiniDFSCluster cluster = new MiniDFSCluster.Builder(configuration, new File(arguments[0]))
        .numDataNodes(datanodes).format(true).build();
    cluster.waitActive();
    System.out.println("READY " + cluster.getURI() + " http://"
        + cluster.getNameNode().getHttpAddress().getHostString() + ":" + cluster.getNameNode().getHttpAddress().getPort());
    System.out.flush();
    Thread.currentThread().join();
  }
}
