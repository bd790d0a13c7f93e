package millstream.frameworks;

import java.util.Properties;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.serialization.SimpleStringSchema;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/** Copies a topic exactly once: Copy BOOTSTRAP NAME INPUT OUTPUT CHECKPOINTS [CHECKPOINT to go on from], until it is killed. */
public final class Copy {
    public static void main(String[] arguments) throws Exception {
        Configuration settings = new Configuration();
        settings.setString("execution.checkpointing.interval", "300ms");
        settings.setString("execution.checkpointing.dir", "file://" + arguments[4]);
        settings.setString("execution.checkpointing.externalized-checkpoint-retention", "RETAIN_ON_CANCELLATION");
        settings.setString("restart-strategy.type", "fixed-delay");
        settings.setString("restart-strategy.fixed-delay.attempts", "1000");
        settings.setString("restart-strategy.fixed-delay.delay", "200ms");
        settings.setString("taskmanager.memory.network.max", "16mb");
        settings.setString("taskmanager.memory.network.min", "16mb");
        settings.setString("taskmanager.memory.managed.size", "8mb");
        if (arguments.length > 5) {
            settings.setString("execution.state-recovery.path", arguments[5]);
        }
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.createLocalEnvironment(2, settings);
        Properties ofProducer = new Properties();
        ofProducer.put("transaction.timeout.ms", "600000");
        KafkaSource<String> source = KafkaSource.<String>builder().setBootstrapServers(arguments[0]).setGroupId(arguments[1]).setTopics(arguments[2])
            .setStartingOffsets(OffsetsInitializer.earliest()).setValueOnlyDeserializer(new SimpleStringSchema()).build();
        KafkaSink<String> sink = KafkaSink.<String>builder().setBootstrapServers(arguments[0]).setKafkaProducerConfig(ofProducer)
            .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE).setTransactionalIdPrefix(arguments[1])
            .setRecordSerializer(KafkaRecordSerializationSchema.builder().setTopic(arguments[3]).setValueSerializationSchema(new SimpleStringSchema()).build())
            .build();
        environment.fromSource(source, WatermarkStrategy.noWatermarks(), "input").sinkTo(sink);
        environment.execute(arguments[1]);
    }
}
