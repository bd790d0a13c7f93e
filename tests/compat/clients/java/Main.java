package millstream.clients;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** The Java client against a running server. Variant "consumer" is group.protocol=consumer. */
public final class Main {
    static final Duration PATIENCE = Duration.ofSeconds(60);

    interface Scenario {
        void run(Run run) throws Exception;
    }

    /** With a password: over TLS, as the user of the environment. */
    record Run(String bootstrap, String topic, int count, String variant, String password) {
        Map<String, Object> at(Map<String, Object> settings) {
            Map<String, Object> all = new HashMap<>(settings);
            all.put("bootstrap.servers", bootstrap);
            if (password != null) {
                String login = "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"%s\" password=\"%s\";";
                all.put("security.protocol", "SASL_SSL");
                all.put("sasl.mechanism", System.getenv("MS_MECHANISM"));
                all.put("sasl.jaas.config", login.formatted(System.getenv("MS_USER"), password));
                all.put("ssl.truststore.type", "PEM");
                all.put("ssl.truststore.location", System.getenv("MS_CA"));
            }
            return all;
        }

        Run withPassword(String other) {
            return new Run(bootstrap, topic, count, variant, other);
        }

        KafkaProducer<String, String> producer(Map<String, Object> settings) {
            Properties all = new Properties();
            all.putAll(at(settings));
            all.putIfAbsent("enable.idempotence", true);
            return new KafkaProducer<>(all, new StringSerializer(), new StringSerializer());
        }

        KafkaConsumer<String, String> consumer(Map<String, Object> settings) {
            Properties all = new Properties();
            all.putAll(at(settings));
            all.put("auto.offset.reset", "earliest");
            all.put("enable.auto.commit", false);
            all.put("group.protocol", variant);
            if (variant.equals("classic")) {
                all.put("heartbeat.interval.ms", 300);
            }
            return new KafkaConsumer<>(all, new StringDeserializer(), new StringDeserializer());
        }

        TopicPartition place() {
            return new TopicPartition(topic, 0);
        }

        ProducerRecord<String, String> record(String value) {
            return new ProducerRecord<>(topic, 0, null, value);
        }
    }

    static void that(boolean condition, String otherwise) {
        if (!condition) {
            throw new AssertionError(otherwise);
        }
    }

    static void equal(Object got, Object wanted) {
        that(wanted.equals(got), "got " + got + ", wanted " + wanted);
    }

    static void until(String what, BooleanSupplier condition) throws InterruptedException {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!condition.getAsBoolean()) {
            that(System.nanoTime() < deadline, "waited in vain until " + what);
            Thread.sleep(10);
        }
    }

    static List<ConsumerRecord<String, String>> take(KafkaConsumer<String, String> consumer, int count) {
        List<ConsumerRecord<String, String>> records = new ArrayList<>();
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (records.size() < count) {
            that(System.nanoTime() < deadline, records.size() + " of " + count + " records");
            consumer.poll(Duration.ofMillis(200)).forEach(records::add);
        }
        return records;
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, Scenario> scenarios = Map.of("administration", Administration::run, "compressions", Records::compressions, "times", Records::times,
            "group", Groups::group, "transactions", Transactions::run, "secure", Logins::run, "survive", Groups::survive);
        Run run = new Run(arguments[0], arguments[2], Integer.parseInt(arguments[3]), arguments[4], System.getenv("MS_PASSWORD"));
        scenarios.get(arguments[1]).run(run);
        System.out.println("ok");
        System.exit(0);
    }
}
