import java.net.InetAddress;
import java.net.InetSocketAddress;

import org.apache.hadoop.hive.conf.HiveConf;
import org.apache.hadoop.hive.conf.HiveConf.ConfVars;
import org.apache.hadoop.hive.metastore.HiveMetaStore;
import org.apache.hadoop.hive.metastore.HiveMetaStore.HMSHandler;
import org.apache.hadoop.hive.metastore.IHMSHandler;
import org.apache.hadoop.hive.metastore.RawStore;
import org.apache.hadoop.hive.metastore.TServerSocketKeepAlive;
import org.apache.hadoop.hive.metastore.TUGIBasedProcessor;
import org.apache.hadoop.hive.thrift.TUGIContainingTransport;
import org.apache.thrift.protocol.TBinaryProtocol;
import org.apache.thrift.protocol.TProtocol;
import org.apache.thrift.server.ServerContext;
import org.apache.thrift.server.TServerEventHandler;
import org.apache.thrift.server.TThreadPoolServer;
import org.apache.thrift.transport.TServerSocket;
import org.apache.thrift.transport.TTransport;

/**
 * Serves Hive's metastore on 127.0.0.1 alone.
 *
 * HiveMetaStore.main always listens on all interfaces: Hive 2.3 has no setting for the address. This does what it does with the
 * settings of the stack, but for the address. Janino, which comes with Spark, compiles it at each start: it knows neither
 * lambdas nor diamonds.
 */
public class LoopbackMetastore {
    /** Serve until the process is ended. The argument is the port. */
    public static void main(String[] arguments) throws Exception {
        InetSocketAddress address =
            new InetSocketAddress(InetAddress.getByName("127.0.0.1"), Integer.parseInt(arguments[0]));
        HiveConf.setLoadMetastoreConfig(true);
        HiveConf settings = new HiveConf(HMSHandler.class);
        int longest = (int) settings.getLongVar(ConfVars.METASTORESERVERMAXMESSAGESIZE);
        IHMSHandler handler =
            HiveMetaStore.newRetryingHMSHandler(new HMSHandler("metastore", settings, false), settings);
        TThreadPoolServer.Args options =
            new TThreadPoolServer.Args(new TServerSocketKeepAlive(new TServerSocket(address)));
        options.processor(new TUGIBasedProcessor(handler));
        options.transportFactory(new TUGIContainingTransport.Factory());
        options.protocolFactory(new TBinaryProtocol.Factory());
        options.inputProtocolFactory(new TBinaryProtocol.Factory(true, true, longest, longest));
        options.minWorkerThreads(settings.getIntVar(ConfVars.METASTORESERVERMINTHREADS));
        options.maxWorkerThreads(settings.getIntVar(ConfVars.METASTORESERVERMAXTHREADS));
        TThreadPoolServer server = new TThreadPoolServer(options);
        server.setServerEventHandler(new Connections());
        server.serve();
    }

    /** Closes a connection's session with the database together with the connection. */
    public static class Connections implements TServerEventHandler {
        public void preServe() {}

        public ServerContext createContext(TProtocol input, TProtocol output) {
            return null;
        }

        public void deleteContext(ServerContext context, TProtocol input, TProtocol output) {
            RawStore store = HMSHandler.getRawStore();
            if (store != null) {
                store.shutdown();
                HMSHandler.removeRawStore();
            }
        }

        public void processContext(ServerContext context, TTransport input, TTransport output) {}
    }
}
