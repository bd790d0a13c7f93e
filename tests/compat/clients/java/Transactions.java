package millstream.clients;

import static millstream.clients.Main.equal;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;

final class Transactions {
    static void run(Main.Run run) throws Exception {
        try (var producer = run.producer(Map.of("transactional.id", run.topic()))) {
            producer.initTransactions();
            for (int i = 0; i < 4; i++) {
                producer.beginTransaction();
                producer.send(run.record(String.valueOf(i))).get();
                if (i % 2 == 0) {
                    producer.commitTransaction();
                } else {
                    producer.abortTransaction();
                }
            }
            expect(run, run.topic(), "read_committed", "0", "2");
            expect(run, run.topic(), "read_uncommitted", "0", "1", "2", "3");
            copy(run);
            expect(run, run.topic() + "-out", "read_committed", "copy of 0", "copy of 2");
            try (Admin admin = Admin.create(run.at(Map.of()))) {
                equal(Groups.committed(admin, run), 5L); // 0 mark 1 mark 2: the one after 2 is at 5
                var described = admin.describeTransactions(List.of(run.topic())).description(run.topic()).get();
                equal(described.state().toString(), "CompleteAbort");
            }
            fencing(run, producer);
        }
    }

    static void expect(Main.Run run, String topic, String isolation, String... values) {
        try (var consumer = run.consumer(Map.of("isolation.level", isolation))) {
            consumer.assign(List.of(new TopicPartition(topic, 0)));
            equal(Main.take(consumer, values.length).stream().map(ConsumerRecord::value).toList(), List.of(values));
        }
    }

    /** Copies what was committed from the topic to TOPIC-out, with the offsets in the same transaction. */
    static void copy(Main.Run run) {
        try (var producer = run.producer(Map.of("transactional.id", run.topic() + "-copy"));
                var consumer = run.consumer(Map.of("group.id", run.topic(), "isolation.level", "read_committed"))) {
            producer.initTransactions();
            consumer.subscribe(Set.of(run.topic()));
            for (var record : Main.take(consumer, 2)) {
                producer.beginTransaction();
                producer.send(new ProducerRecord<>(run.topic() + "-out", 0, null, "copy of " + record.value()));
                producer.sendOffsetsToTransaction(Map.of(run.place(), new OffsetAndMetadata(record.offset() + 1)), consumer.groupMetadata());
                producer.commitTransaction();
            }
        }
    }

    static void fencing(Main.Run run, org.apache.kafka.clients.producer.Producer<String, String> zombie) {
        try (var heir = run.producer(Map.of("transactional.id", run.topic()))) {
            heir.initTransactions();
            zombie.beginTransaction();
            zombie.send(run.record("of the zombie"));
            zombie.commitTransaction();
            throw new AssertionError("the zombie was not fenced");
        } catch (ProducerFencedException | InvalidProducerEpochException fenced) {
            // as it should be
        }
    }
}
