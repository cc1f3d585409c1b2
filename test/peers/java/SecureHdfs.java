import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.security.PrivilegedExceptionAction;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.hadoop.minikdc.MiniKdc;
import org.apache.hadoop.security.Credentials;
import org.apache.hadoop.security.UserGroupInformation;
import org.apache.hadoop.security.token.Token;

/**
 * A whole HDFS that asks for Kerberos tickets, and the KDC that gives them out, in one process. Arguments: FOLDER RENEW-INTERVAL; tokens
 * end when they are not renewed for so many milliseconds. Prints
 * "READY http://localhost:PORT KRB5-CONF FLUME-KEYTAB CONTROL-PORT" once it serves; the keytab holds flume@EXAMPLE.COM, who may act for
 * anybody. A line sent to the control port is answered "done":
 *
 *   token FILE RENEWER        writes a delegation token of flume's into a file, as fetchdt does
 *   token FILE RENEWER USER   one of another user's, fetched by flume
 *   cancel FILE               ends the tokens in it
 */
public class SecureHdfs {
  public static void main(String[] arguments) throws Exception {
    File folder = new File(arguments[0]);
    File home = new File(folder, "kdc");
    home.mkdirs();
    MiniKdc kdc = new MiniKdc(MiniKdc.createConf(), home);
    kdc.start();
    File servers = new File(folder, "hdfs.keytab");
    File flume = new File(folder, "flume.keytab");
    kdc.createPrincipal(servers, "hdfs/localhost", "HTTP/localhost");
    kdc.createPrincipal(flume, "flume");
    String realm = "@" + kdc.getRealm();

    Configuration configuration = new Configuration();
    configuration.set("hadoop.security.authentication", "kerberos");
    configuration.set("hadoop.proxyuser.flume.hosts", "*");
    configuration.set("hadoop.proxyuser.flume.users", "*");
    configuration.set("dfs.web.authentication.kerberos.principal", "HTTP/localhost" + realm);
    configuration.set("dfs.web.authentication.kerberos.keytab", servers.getPath());
    for (String server : new String[] {"namenode", "datanode"}) {
      configuration.set("dfs." + server + ".kerberos.principal", "hdfs/localhost" + realm);
      configuration.set("dfs." + server + ".keytab.file", servers.getPath());
    }
    configuration.setBoolean("dfs.block.access.token.enable", true);
    // Without root there are no ports below 1024.
    configuration.setBoolean("ignore.secure.ports.for.testing", true);
    configuration.set("dfs.namenode.delegation.token.renew-interval", arguments[1]);
    configuration.setInt("dfs.replication", 1);
    configuration.setInt("dfs.namenode.safemode.extension", 0);
    UserGroupInformation.setConfiguration(configuration);
    UserGroupInformation.loginUserFromKeytab("hdfs/localhost" + realm, servers.getPath());
    MiniDFSCluster cluster = new MiniDFSCluster.Builder(configuration, new File(folder, "dfs")).numDataNodes(1).build();
    cluster.waitActive();
    FileSystem all = cluster.getFileSystem();
    all.mkdirs(new Path("/flume"));
    all.setOwner(new Path("/flume"), "flume", "flume");
    all.mkdirs(new Path("/alice"));
    all.setOwner(new Path("/alice"), "alice", "alice");

    ServerSocket control = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
    Thread listener = new Thread(() -> {
      while (true) {
        try (Socket socket = control.accept()) {
          String[] words = new BufferedReader(new InputStreamReader(socket.getInputStream())).readLine().split(" ");
          Path file = new Path(new File(words[1]).toURI());
          UserGroupInformation user =
              UserGroupInformation.loginUserFromKeytabAndReturnUGI("flume" + realm, flume.getPath());
          if (words.length > 3) user = UserGroupInformation.createProxyUser(words[3], user);
          user.doAs((PrivilegedExceptionAction<Void>) () -> {
            if (words[0].equals("token")) {
              Credentials credentials = new Credentials();
              FileSystem.newInstance(cluster.getURI(), configuration).addDelegationTokens(words[2], credentials);
              credentials.writeTokenStorageFile(file, configuration);
            } else {
              for (Token<?> token : Credentials.readTokenStorageFile(file, configuration).getAllTokens())
                token.cancel(configuration);
            }
            return null;
          });
          new PrintStream(socket.getOutputStream(), true).println("done");
        } catch (Exception e) {
          e.printStackTrace();
        }
      }
    }, "control");
    listener.setDaemon(true);
    listener.start();
    System.out.println("READY http://localhost:" + cluster.getNameNode().getHttpAddress().getPort() + " "
        + kdc.getKrb5conf() + " " + flume + " " + control.getLocalPort());
    System.out.flush();
    Thread.currentThread().join();
  }
}
