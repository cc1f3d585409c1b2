import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.hadoop.hdfs.server.datanode.DataNode;

/**
 * A whole HDFS in one process, WebHDFS included, on ports of its own choosing.
 * Arguments: FOLDER DATANODES. Prints "READY hdfs://HOST:PORT http://HOST:PORT CONTROL-PORT" once it serves.
 * A line sent to the control port, "restart-namenode", is answered "done".
 *
 * With the arguments "datanode FOLDER hdfs://HOST:PORT" it is one more data node of such an HDFS, in a process that can be
 * killed and halted; prints "READY PORT".
 */
public class MiniHdfs {
  public static void main(String[] arguments) throws Exception {
    if (arguments[0].equals("datanode")) dataNode(arguments[1], arguments[2]);
    else cluster(arguments);
    Thread.currentThread().join();
  }

  private static void cluster(String[] arguments) throws Exception {
    int datanodes = Integer.parseInt(arguments[1]);
    Configuration configuration = new Configuration();
    configuration.setInt("dfs.replication", datanodes);
    configuration.setBoolean("dfs.webhdfs.enabled", true);
    configuration.setBoolean("dfs.permissions.enabled", false);
    configuration.setBoolean("dfs.namenode.datanode.registration.ip-hostname-check", false);
    configuration.setInt("dfs.namenode.fs-limits.min-block-size", 512);
    configuration.setInt("dfs.namenode.safemode.extension", 0);
    MiniDFSCluster cluster = new MiniDFSCluster.Builder(configuration, new File(arguments[0]))
        .numDataNodes(datanodes).format(true).build();
    cluster.waitActive();
    ServerSocket control = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
    Thread listener = new Thread(() -> {
      while (true) {
        try (Socket socket = control.accept()) {
          String line = new BufferedReader(new InputStreamReader(socket.getInputStream())).readLine();
          if ("restart-namenode".equals(line)) cluster.restartNameNode(0, false);
          else throw new IllegalArgumentException(line);
          new PrintStream(socket.getOutputStream(), true).println("done");
        } catch (Exception e) {
          e.printStackTrace();
        }
      }
    }, "control");
    listener.setDaemon(true);
    listener.start();
    System.out.println("READY " + cluster.getURI() + " http://"
        + cluster.getNameNode().getHttpAddress().getHostString() + ":" + cluster.getNameNode().getHttpAddress().getPort()
        + " " + control.getLocalPort());
    System.out.flush();
  }

  private static void dataNode(String folder, String nameNode) throws Exception {
    Configuration configuration = new Configuration();
    configuration.set("fs.defaultFS", nameNode);
    configuration.set("dfs.datanode.data.dir", new File(folder).toURI().toString());
    configuration.set("dfs.datanode.address", "127.0.0.1:0");
    configuration.set("dfs.datanode.http.address", "127.0.0.1:0");
    configuration.set("dfs.datanode.ipc.address", "127.0.0.1:0");
    DataNode node = DataNode.createDataNode(new String[0], configuration);
    while (!node.isDatanodeFullyStarted()) Thread.sleep(50);
    System.out.println("READY " + node.getXferPort());
    System.out.flush();
  }
}
