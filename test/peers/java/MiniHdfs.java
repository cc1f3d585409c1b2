import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.Proxy;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.EnumSet;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.hdfs.DFSTestUtil;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.hadoop.hdfs.MiniDFSNNTopology;
import org.apache.hadoop.hdfs.client.CreateEncryptionZoneFlag;
import org.apache.hadoop.hdfs.client.HdfsAdmin;
import org.apache.hadoop.hdfs.protocol.ClientProtocol;
import org.apache.hadoop.hdfs.protocol.proto.ClientNamenodeProtocolProtos.ClientNamenodeProtocol;
import org.apache.hadoop.hdfs.protocolPB.ClientNamenodeProtocolPB;
import org.apache.hadoop.hdfs.protocolPB.ClientNamenodeProtocolServerSideTranslatorPB;
import org.apache.hadoop.hdfs.server.datanode.DataNode;
import org.apache.hadoop.ipc.ProtobufRpcEngine;
import org.apache.hadoop.ipc.RPC;
import org.apache.hadoop.security.UserGroupInformation;

/**
 * A whole HDFS in one process, WebHDFS included, on ports of its own choosing.
 * Arguments: FOLDER DATANODES NAMENODES KEY=VALUE…; the last are Hadoop's own configuration. Prints
 * "READY hdfs://HOST:PORT,… http://HOST:PORT CONTROL-PORT" once it serves. A line sent to the control port is answered "done":
 *
 *   restart-namenode     stops the only name node and starts it again
 *   kill-active          ends the active one of two name nodes; the other takes over
 *   change-over          starts the ended one again and makes it the active one, by the book
 *   encrypt PATH         makes a folder an encryption zone
 *   erasure-code PATH    makes a folder whose files are erasure-coded
 *
 * With the arguments "datanode FOLDER hdfs://HOST:PORT" it is one more data node of such an HDFS, in a process that can be
 * killed and halted; prints "READY PORT".
 *
 * With the argument "kerberos" it is the door of a name node that wants tickets: Hadoop's own RPC server; prints "READY PORT".
 */
public class MiniHdfs {
  public static void main(String[] arguments) throws Exception {
    if (arguments[0].equals("datanode")) dataNode(arguments[1], arguments[2]);
    else if (arguments[0].equals("kerberos")) kerberos();
    else cluster(arguments);
    Thread.currentThread().join();
  }

  private static void cluster(String[] arguments) throws Exception {
    int datanodes = Integer.parseInt(arguments[1]);
    int namenodes = Integer.parseInt(arguments[2]);
    Configuration configuration = new Configuration();
    configuration.setInt("dfs.replication", datanodes);
    configuration.setBoolean("dfs.webhdfs.enabled", true);
    configuration.setBoolean("dfs.permissions.enabled", false);
    configuration.setBoolean("dfs.namenode.datanode.registration.ip-hostname-check", false);
    configuration.setInt("dfs.namenode.fs-limits.min-block-size", 512);
    configuration.setInt("dfs.namenode.safemode.extension", 0);
    for (int i = 3; i < arguments.length; i++) {
      String[] pair = arguments[i].split("=", 2);
      configuration.set(pair[0], pair[1]);
    }
    MiniDFSCluster.Builder builder = new MiniDFSCluster.Builder(configuration, new File(arguments[0]))
        .numDataNodes(datanodes).format(true);
    if (namenodes > 1) builder.nnTopology(MiniDFSNNTopology.simpleHATopology());
    MiniDFSCluster cluster = builder.build();
    if (namenodes > 1) cluster.transitionToActive(0);
    cluster.waitActive();
    ServerSocket control = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
    Thread listener = new Thread(() -> {
      int active = 0;
      while (true) {
        try (Socket socket = control.accept()) {
          String[] words = new BufferedReader(new InputStreamReader(socket.getInputStream())).readLine().split(" ");
          switch (words[0]) {
            case "restart-namenode":
              cluster.restartNameNode(0, false);
              break;
            case "kill-active":
              cluster.shutdownNameNode(active);
              active = 1 - active;
              cluster.transitionToActive(active);
              break;
            case "change-over":
              cluster.restartNameNode(1 - active, false);
              cluster.transitionToStandby(active);
              active = 1 - active;
              cluster.transitionToActive(active);
              break;
            case "encrypt":
              DFSTestUtil.createKey("key", cluster, configuration);
              cluster.getFileSystem().mkdirs(new Path(words[1]));
              new HdfsAdmin(cluster.getURI(), configuration)
                  .createEncryptionZone(new Path(words[1]), "key", EnumSet.of(CreateEncryptionZoneFlag.NO_TRASH));
              break;
            case "erasure-code":
              cluster.getFileSystem().mkdirs(new Path(words[1]));
              cluster.getFileSystem().enableErasureCodingPolicy("XOR-2-1-1024k");
              cluster.getFileSystem().setErasureCodingPolicy(new Path(words[1]), "XOR-2-1-1024k");
              break;
            default:
              throw new IllegalArgumentException(words[0]);
          }
          new PrintStream(socket.getOutputStream(), true).println("done");
        } catch (Exception e) {
          e.printStackTrace();
        }
      }
    }, "control");
    listener.setDaemon(true);
    listener.start();
    StringBuilder uris = new StringBuilder();
    for (int i = 0; i < namenodes; i++) uris.append(i == 0 ? "" : ",").append("hdfs://127.0.0.1:").append(cluster.getNameNodePort(i));
    String uri = namenodes == 1 ? cluster.getURI().toString() : uris.toString();
    System.out.println("READY " + uri + " http://"
        + cluster.getNameNode(0).getHttpAddress().getHostString() + ":" + cluster.getNameNode(0).getHttpAddress().getPort()
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
    // Small disks, as some tests have them, are used to their end.
    configuration.set("dfs.datanode.du.reserved", "0");
    DataNode node = DataNode.createDataNode(new String[0], configuration);
    while (!node.isDatanodeFullyStarted()) Thread.sleep(50);
    System.out.println("READY " + node.getXferPort());
    System.out.flush();
  }

  private static void kerberos() throws Exception {
    Configuration configuration = new Configuration();
    configuration.set("hadoop.security.authentication", "kerberos");
    UserGroupInformation.setConfiguration(configuration);
    RPC.setProtocolEngine(configuration, ClientNamenodeProtocolPB.class, ProtobufRpcEngine.class);
    ClientProtocol nobody = (ClientProtocol) Proxy.newProxyInstance(MiniHdfs.class.getClassLoader(),
        new Class<?>[] {ClientProtocol.class}, (proxy, method, values) -> {
          throw new IllegalStateException(method.getName() + " was let in");
        });
    RPC.Server server = new RPC.Builder(configuration).setProtocol(ClientNamenodeProtocolPB.class)
        .setInstance(ClientNamenodeProtocol.newReflectiveBlockingService(new ClientNamenodeProtocolServerSideTranslatorPB(nobody)))
        .setBindAddress("127.0.0.1").setPort(0).setNumHandlers(1).build();
    server.start();
    System.out.println("READY " + server.getListenerAddress().getPort());
    System.out.flush();
  }
}
