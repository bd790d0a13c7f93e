package millstream.clients;

import static millstream.clients.Main.equal;
import static millstream.clients.Main.that;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.TopicExistsException;

final class Administration {
    static void run(Main.Run run) throws Exception {
        try (Admin admin = Admin.create(run.at(Map.of()))) {
            NewTopic topic = new NewTopic(run.topic(), 3, (short) 1).configs(Map.of("retention.ms", "1234567"));
            var created = admin.createTopics(List.of(topic));
            equal(created.numPartitions(run.topic()).get(), 3);
            equal(created.config(run.topic()).get().get("retention.ms").value(), "1234567");
            try {
                admin.createTopics(List.of(topic)).all().get();
                throw new AssertionError("a second creation");
            } catch (ExecutionException refused) {
                that(refused.getCause() instanceof TopicExistsException, "a second creation: " + refused);
            }
            equal(partitions(admin, run), 3);
            equal(retention(admin, run), "1234567");
            var change = new AlterConfigOp(new ConfigEntry("retention.ms", "7654321"), AlterConfigOp.OpType.SET);
            admin.incrementalAlterConfigs(Map.of(resource(run), List.of(change))).all().get();
            equal(retention(admin, run), "7654321");
            admin.createPartitions(Map.of(run.topic(), NewPartitions.increaseTo(5))).all().get();
            equal(partitions(admin, run), 5);
            cluster(admin, run);
            admin.deleteTopics(List.of(run.topic())).all().get();
            that(!admin.listTopics().names().get().contains(run.topic()), "a deleted topic is listed");
        }
    }

    static ConfigResource resource(Main.Run run) {
        return new ConfigResource(ConfigResource.Type.TOPIC, run.topic());
    }

    static int partitions(Admin admin, Main.Run run) throws Exception {
        return admin.describeTopics(List.of(run.topic())).allTopicNames().get().get(run.topic()).partitions().size();
    }

    static String retention(Admin admin, Main.Run run) throws Exception {
        return admin.describeConfigs(List.of(resource(run))).all().get().get(resource(run)).get("retention.ms").value();
    }

    static void cluster(Admin admin, Main.Run run) throws Exception {
        var nodes = List.copyOf(admin.describeCluster().nodes().get());
        equal(nodes.size(), 1);
        equal(nodes.get(0).host() + ":" + nodes.get(0).port(), run.bootstrap());
        int id = nodes.get(0).id();
        that(admin.describeLogDirs(List.of(id)).allDescriptions().get().get(id).size() == 1, "there is one log directory");
        that(admin.listPartitionReassignments().reassignments().get().isEmpty(), "nothing is reassigned");
        that(!admin.describeFeatures().featureMetadata().get().finalizedFeatures().isEmpty(), "features are finalized");
    }
}
