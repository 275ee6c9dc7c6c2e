package footfall.bench;

import java.time.Duration;
import java.util.HexFormat;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.state.Stores;

/**
 * Footfall's first figures in Kafka Streams: duplicates by sequence, keyed pseudonyms, hourly counts with
 * dimensions, daily active users; changed figures to the sink once a second.
 *
 * <p>Written with the Processor API, as its developer guide has it for work that the DSL would send through a
 * repartition topic: raw records are keyed by company, and every figure is of one company, so one task has all that
 * a figure is made of. Stores are in memory, with a cache before those that are written again and again and a
 * changelog behind all of them. The rest of the settings below is what its guide calls tuning for throughput.
 *
 * <p>With {@code exactly_once_v2} figures stay exact when the process is killed. With {@code at_least_once} each store
 * is restored to its own last write, so that a count may then be lost: the faster row promises less.
 */
public final class Main {
    private Main() {}

    /**
     * Runs until it is ended.
     *
     * @param args brokers, raw topic, sink topic, state folder, application id, threads, processing guarantee; the
     *     key of the pseudonyms, in hex, is in the environment as PEER_KEY
     */
    public static void main(String[] args) {
        byte[] secret = HexFormat.of().parseHex(System.getenv("PEER_KEY"));
        KafkaStreams streams = new KafkaStreams(topology(args[1], args[2], secret), settings(args));
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.ERROR) {
                Runtime.getRuntime().halt(1);
            }
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(5))));
        streams.start();
    }

    static Topology topology(String raw, String sink, byte[] secret) {
        Map<String, String> changelog = Map.of();
        return new Topology()
            .addSource("raw", Serdes.String().deserializer(), Serdes.ByteArray().deserializer(), raw)
            .addProcessor("count", () -> new Counting(secret), "raw")
            .addStateStore(
                Stores.keyValueStoreBuilder(
                        Stores.inMemoryKeyValueStore(Counting.SEEN), Serdes.String(), Serdes.ByteArray())
                    .withCachingEnabled()
                    .withLoggingEnabled(changelog),
                "count")
            .addStateStore(
                Stores.keyValueStoreBuilder(
                        Stores.inMemoryKeyValueStore(Counting.FIGURES), Serdes.String(), Serdes.Long())
                    .withCachingEnabled()
                    .withLoggingEnabled(changelog),
                "count")
            // Written once a user and day: a cache would only be one more copy of it.
            .addStateStore(
                Stores.keyValueStoreBuilder(
                        Stores.inMemoryKeyValueStore(Counting.ACTIVE), Serdes.Bytes(), Serdes.ByteArray())
                    .withLoggingEnabled(changelog),
                "count")
            .addSink("sink", sink, Serdes.String().serializer(), Serdes.String().serializer(), "count");
    }

    private static Properties settings(String[] args) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, args[3]);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, args[4]);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, args[5]);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, args[6]);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 128L << 20);
        settings.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 10_000);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 10_000);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 4 << 20);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 << 10);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 100);
        return settings;
    }
}
