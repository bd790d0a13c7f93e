// Sarama against a running server.
package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"millstream/clients/check"
)

func main() {
	check.Main(map[string]func(context.Context, check.Run){
		"administration": administration, "compressions": compressions, "times": times,
		"group": group, "transactions": transactions, "secure": secure, "survive": survive,
	})
}

// settings are those of an idempotent producer and of a consumer that starts at the beginning.
func settings(run check.Run) *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.Retry.Max = 1000
	config.Producer.Retry.Backoff = 20 * time.Millisecond
	config.Net.MaxOpenRequests = 1
	config.Metadata.Retry.Max = 1000
	config.Metadata.Retry.Backoff = 20 * time.Millisecond
	config.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond // how soon a member hears of a rebalance
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Interval = 200 * time.Millisecond
	config.Consumer.MaxWaitTime = 100 * time.Millisecond // one connection carries all: a commit waits behind a long poll
	if run.Login != nil {
		logIn(config, run.Login)
	}
	return config
}

func producer(run check.Run, change func(*sarama.Config)) sarama.SyncProducer {
	config := settings(run)
	change(config)
	return check.Value(sarama.NewSyncProducer([]string{run.Bootstrap}, config))
}

func byHand(config *sarama.Config) { config.Producer.Partitioner = sarama.NewManualPartitioner }

func message(topic string, value string) *sarama.ProducerMessage {
	return &sarama.ProducerMessage{Topic: topic, Partition: 0, Value: sarama.StringEncoder(value)}
}

// read takes `count` messages from the start of partition 0.
func read(run check.Run, topic string, count int, isolation sarama.IsolationLevel) []*sarama.ConsumerMessage {
	config := settings(run)
	config.Consumer.IsolationLevel = isolation
	consumer := check.Value(sarama.NewConsumer([]string{run.Bootstrap}, config))
	partition := check.Value(consumer.ConsumePartition(topic, 0, sarama.OffsetOldest))
	var messages []*sarama.ConsumerMessage
	for len(messages) < count {
		messages = append(messages, <-partition.Messages())
	}
	check.Must(partition.Close())
	check.Must(consumer.Close())
	return messages
}

func administrator(run check.Run) sarama.ClusterAdmin {
	return check.Value(sarama.NewClusterAdmin([]string{run.Bootstrap}, settings(run)))
}

func administration(_ context.Context, run check.Run) {
	admin := administrator(run)
	first, second := "1234567", "7654321"
	detail := sarama.TopicDetail{NumPartitions: 3, ReplicationFactor: 1, ConfigEntries: map[string]*string{"retention.ms": &first}}
	check.Must(admin.CreateTopic(run.Topic, &detail, false))
	err := admin.CreateTopic(run.Topic, &detail, false)
	check.That(errors.Is(err, sarama.ErrTopicAlreadyExists), "a second creation: %v", err)
	partitions := func() int { return len(check.Value(admin.DescribeTopics([]string{run.Topic}))[0].Partitions) }
	check.That(partitions() == 3, "%d partitions", partitions())
	retention := func() string {
		resource := sarama.ConfigResource{Type: sarama.TopicResource, Name: run.Topic, ConfigNames: []string{"retention.ms"}}
		return check.Value(admin.DescribeConfig(resource))[0].Value
	}
	check.That(retention() == first, "retention.ms is %s", retention())
	change := map[string]sarama.IncrementalAlterConfigsEntry{"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &second}}
	check.Must(admin.IncrementalAlterConfig(sarama.TopicResource, run.Topic, change, false))
	check.That(retention() == second, "retention.ms is %s", retention())
	check.Must(admin.CreatePartitions(run.Topic, 5, nil, false))
	check.That(partitions() == 5, "%d partitions", partitions())
	check.Must(admin.DeleteTopic(run.Topic))
	_, there := check.Value(admin.ListTopics())[run.Topic]
	check.That(!there, "a deleted topic is listed")
	brokers, _, err := admin.DescribeCluster()
	check.Must(err)
	check.That(len(brokers) == 1 && brokers[0].Addr() == run.Bootstrap, "the brokers are %v", brokers)
}

func compressions(_ context.Context, run check.Run) {
	codecs := []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy, sarama.CompressionLZ4, sarama.CompressionZSTD}
	var sent []string
	for _, codec := range codecs {
		sender := producer(run, func(config *sarama.Config) { byHand(config); config.Producer.Compression = codec })
		var messages []*sarama.ProducerMessage
		for i := range run.Count {
			value := strings.Repeat(fmt.Sprintf("%s %d ", codec, i), i%20)
			one := message(run.Topic, value)
			one.Key = sarama.StringEncoder(strconv.Itoa(i))
			one.Headers = []sarama.RecordHeader{{Key: []byte("codec"), Value: []byte(codec.String())}}
			messages, sent = append(messages, one), append(sent, value)
		}
		check.Must(sender.SendMessages(messages))
		check.Must(sender.Close())
	}
	for i, got := range read(run, run.Topic, len(sent), sarama.ReadUncommitted) {
		same := string(got.Key) == strconv.Itoa(i%run.Count) && string(got.Value) == sent[i] && string(got.Headers[0].Value) == codecs[i/run.Count].String()
		check.That(same, "record %d came back as %q", i, got.Value)
	}
}

func times(_ context.Context, run check.Run) {
	const first = 1_700_000_000_000
	sender := producer(run, byHand)
	for i := range int64(10) {
		one := message(run.Topic, fmt.Sprint(i))
		one.Timestamp = time.UnixMilli(first + 1000*i)
		_, _, err := sender.SendMessage(one)
		check.Must(err)
	}
	client := check.Value(sarama.NewClient([]string{run.Bootstrap}, settings(run)))
	expect := func(what string, when, want int64) {
		got := check.Value(client.GetOffset(run.Topic, 0, when))
		check.That(got == want, "%s: offset %d, not %d", what, got, want)
	}
	expect("in between", first+4500, 5)
	expect("after all", first+100_000, -1)
	expect("the start", sarama.OffsetOldest, 0)
	expect("the end", sarama.OffsetNewest, 10)
	check.Must(administrator(run).DeleteRecords(run.Topic, map[int32]int64{0: 4}))
	expect("the start of what is left", sarama.OffsetOldest, 4)
}

func transactions(ctx context.Context, run check.Run) {
	of := func(id string) func(*sarama.Config) {
		return func(config *sarama.Config) { byHand(config); config.Producer.Transaction.ID = id }
	}
	sender := producer(run, of(run.Topic))
	for i := range 4 {
		check.Must(sender.BeginTxn())
		_, _, err := sender.SendMessage(message(run.Topic, fmt.Sprint(i)))
		check.Must(err)
		if i%2 == 0 {
			check.Must(sender.CommitTxn())
		} else {
			check.Must(sender.AbortTxn())
		}
	}
	expect(run, run.Topic, sarama.ReadCommitted, "0", "2")
	expect(run, run.Topic, sarama.ReadUncommitted, "0", "1", "2", "3")
	copier := &copier{run: run, producer: producer(run, of(run.Topic+"-copy"))}
	consumeUntil(ctx, run, copier, func() bool { return copier.copied.Load() == 2 })
	expect(run, run.Topic+"-out", sarama.ReadCommitted, "copy of 0", "copy of 2")
	check.That(committed(run) == 5, "%d is committed", committed(run)) // 0 mark 1 mark 2: the one after 2 is at 5
}

func expect(run check.Run, topic string, isolation sarama.IsolationLevel, values ...string) {
	for i, got := range read(run, topic, len(values), isolation) {
		check.That(string(got.Value) == values[i], "record %d is %q, not %q", i, got.Value, values[i])
	}
}
