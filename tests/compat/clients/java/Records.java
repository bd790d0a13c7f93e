package millstream.clients;

import static millstream.clients.Main.equal;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;

final class Records {
    private static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");

    static void compressions(Main.Run run) throws Exception {
        List<ProducerRecord<String, String>> sent = new ArrayList<>();
        for (String codec : CODECS) {
            try (var producer = run.producer(Map.of("compression.type", codec, "linger.ms", 5))) {
                List<Future<RecordMetadata>> answers = new ArrayList<>();
                for (int i = 0; i < run.count(); i++) {
                    var record = new ProducerRecord<>(run.topic(), 0, String.valueOf(i), (codec + " " + i + " ").repeat(i % 20));
                    record.headers().add("codec", codec.getBytes());
                    sent.add(record);
                    answers.add(producer.send(record));
                }
                for (var answer : answers) {
                    answer.get();
                }
            }
        }
        try (var consumer = run.consumer(Map.of())) {
            consumer.assign(List.of(run.place()));
            var got = Main.take(consumer, sent.size());
            for (int i = 0; i < sent.size(); i++) {
                equal(got.get(i).offset(), (long) i);
                equal(got.get(i).key(), sent.get(i).key());
                equal(got.get(i).value(), sent.get(i).value());
                equal(new String(got.get(i).headers().lastHeader("codec").value()), CODECS.get(i / run.count()));
            }
        }
    }

    static void times(Main.Run run) throws Exception {
        long first = 1_700_000_000_000L;
        try (var producer = run.producer(Map.of())) {
            for (int i = 0; i < 10; i++) {
                producer.send(new ProducerRecord<>(run.topic(), 0, first + 1000 * i, null, String.valueOf(i))).get();
            }
        }
        try (Admin admin = Admin.create(run.at(Map.of()))) {
            equal(offset(admin, run, OffsetSpec.forTimestamp(first + 4500)), 5L);
            equal(offset(admin, run, OffsetSpec.forTimestamp(first + 100_000)), -1L);
            equal(offset(admin, run, OffsetSpec.maxTimestamp()), 9L);
            equal(offset(admin, run, OffsetSpec.earliest()), 0L);
            equal(offset(admin, run, OffsetSpec.latest()), 10L);
            admin.deleteRecords(Map.of(run.place(), RecordsToDelete.beforeOffset(4))).all().get();
            equal(offset(admin, run, OffsetSpec.earliest()), 4L);
        }
        try (var consumer = run.consumer(Map.of())) {
            equal(consumer.offsetsForTimes(Map.of(run.place(), first + 4500)).get(run.place()).offset(), 5L);
            equal(consumer.beginningOffsets(List.of(run.place())).get(run.place()), 4L);
            equal(consumer.endOffsets(List.of(run.place())).get(run.place()), 10L);
        }
    }

    static long offset(Admin admin, Main.Run run, OffsetSpec which) throws Exception {
        return admin.listOffsets(Map.of(run.place(), which)).partitionResult(run.place()).get().offset();
    }
}
