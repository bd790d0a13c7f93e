// franz-go against a running server. Variant "consumer" takes the group protocol of KIP-848, "classic" the older one.
package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"millstream/clients/check"
)

func main() {
	check.Main(map[string]func(context.Context, check.Run){
		"administration": administration, "compressions": compressions, "times": times,
		"group": group, "transactions": transactions, "secure": secure, "survive": survive,
	})
}

func client(run check.Run, options ...kgo.Opt) *kgo.Client {
	if run.Login != nil {
		options = append(options, kgo.DialTLSConfig(run.Login.TLS), kgo.SASL(mechanism(run.Login)))
	}
	return check.Value(kgo.NewClient(append(options, kgo.SeedBrokers(run.Bootstrap))...))
}

func mechanism(login *check.Login) sasl.Mechanism {
	auth := scram.Auth{User: login.User, Pass: login.Password}
	if login.Mechanism == "SCRAM-SHA-512" {
		return auth.AsSha512Mechanism()
	}
	return auth.AsSha256Mechanism()
}

func reader(run check.Run, topic string, options ...kgo.Opt) *kgo.Client {
	start := map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}
	return client(run, append(options, kgo.ConsumePartitions(start))...)
}

func member(run check.Run, options ...kgo.Opt) *kgo.Client {
	options = append(options, kgo.ConsumerGroup(run.Topic), kgo.ConsumeTopics(run.Topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if run.Variant == "consumer" {
		options = append(options, kgo.ServerSideBalancer())
	}
	return client(run, options...)
}

// take polls until `count` records came.
func take(ctx context.Context, from *kgo.Client, count int) []*kgo.Record {
	var records []*kgo.Record
	for len(records) < count {
		fetches := from.PollFetches(ctx)
		check.Must(fetches.Err())
		records = append(records, fetches.Records()...)
	}
	return records
}

func record(topic string, value string) *kgo.Record {
	return &kgo.Record{Topic: topic, Partition: 0, Value: []byte(value)}
}

func byHand() kgo.Opt { return kgo.RecordPartitioner(kgo.ManualPartitioner()) }

func administration(ctx context.Context, run check.Run) {
	admin := kadm.NewClient(client(run))
	limit := func(value string) map[string]*string { return map[string]*string{"retention.ms": &value} }
	check.Must(check.Value(admin.CreateTopic(ctx, 3, 1, limit("1234567"), run.Topic)).Err)
	_, err := admin.CreateTopic(ctx, 3, 1, nil, run.Topic)
	check.That(errors.Is(err, kerr.TopicAlreadyExists), "a second creation: %v", err)
	partitions := func() int { return len(check.Value(admin.ListTopics(ctx, run.Topic))[run.Topic].Partitions) }
	check.That(partitions() == 3, "%d partitions", partitions())
	retention := func() string {
		described := check.Value(admin.DescribeTopicConfigs(ctx, run.Topic))
		for _, config := range check.Value(described.On(run.Topic, nil)).Configs {
			if config.Key == "retention.ms" {
				return config.MaybeValue()
			}
		}
		return "not described"
	}
	check.That(retention() == "1234567", "retention.ms is %s", retention())
	value := "7654321"
	for _, altered := range check.Value(admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Name: "retention.ms", Value: &value}}, run.Topic)) {
		check.Must(altered.Err)
	}
	check.That(retention() == value, "retention.ms is %s", retention())
	check.Must(check.Value(admin.UpdatePartitions(ctx, 5, run.Topic)).Error())
	check.That(partitions() == 5, "%d partitions", partitions())
	check.Must(check.Value(admin.DeleteTopic(ctx, run.Topic)).Err)
	check.That(!check.Value(admin.ListTopics(ctx)).Has(run.Topic), "a deleted topic is listed")
}

func compressions(ctx context.Context, run check.Run) {
	codecs := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}
	consumer := reader(run, run.Topic)
	for name, codec := range codecs {
		producer := client(run, byHand(), kgo.ProducerBatchCompression(codec))
		var records []*kgo.Record
		for i := range run.Count {
			sent := record(run.Topic, strings.Repeat(fmt.Sprintf("%s %d ", name, i), i%20))
			sent.Key, sent.Headers = []byte(strconv.Itoa(i)), []kgo.RecordHeader{{Key: "codec", Value: []byte(name)}}
			records = append(records, sent)
		}
		check.Must(producer.ProduceSync(ctx, records...).FirstErr())
		producer.Close()
		for i, got := range take(ctx, consumer, run.Count) {
			want := records[i]
			same := string(got.Key) == string(want.Key) && string(got.Value) == string(want.Value) && string(got.Headers[0].Value) == name
			check.That(same, "%s: record %d came back as %q", name, i, got.Value)
		}
	}
}

func secure(ctx context.Context, run check.Run) {
	group(ctx, run)
	stranger := client(run.WithPassword("wrong"), kgo.RequestRetries(0))
	err := stranger.Ping(ctx)
	check.That(errors.Is(err, kerr.SaslAuthenticationFailed), "a wrong password: %v", err)
	stranger.Close()
	producer := client(run)
	err = producer.ProduceSync(ctx, record("forbidden", "x")).FirstErr()
	check.That(errors.Is(err, kerr.TopicAuthorizationFailed), "a topic without rights: %v", err)
	producer.Close()
}
