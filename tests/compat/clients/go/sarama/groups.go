package main

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"os"
	"sync"
	"sync/atomic"

	"github.com/IBM/sarama"

	"millstream/clients/check"
)

// owner is a member that knows what it was given, and commits what it reads.
type owner struct {
	lock  sync.Mutex
	owned map[int32]bool
	seen  map[string]bool
	stop  context.CancelFunc
	done  chan struct{}
}

func (o *owner) Setup(session sarama.ConsumerGroupSession) error {
	o.lock.Lock()
	defer o.lock.Unlock()
	for _, partitions := range session.Claims() {
		for _, p := range partitions {
			o.owned[p] = true
		}
	}
	return nil
}

func (o *owner) Cleanup(sarama.ConsumerGroupSession) error {
	o.lock.Lock()
	defer o.lock.Unlock()
	clear(o.owned)
	return nil
}

func (o *owner) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for m := range claim.Messages() {
		o.lock.Lock()
		o.seen[string(m.Value)] = true
		o.lock.Unlock()
		session.MarkMessage(m, "")
	}
	return nil
}

func newOwner(ctx context.Context, run check.Run) *owner {
	o := &owner{owned: map[int32]bool{}, seen: map[string]bool{}, done: make(chan struct{})}
	ctx, o.stop = context.WithCancel(ctx)
	consumer := check.Value(sarama.NewConsumerGroup([]string{run.Bootstrap}, run.Topic, settings(run)))
	go func() {
		defer close(o.done)
		for ctx.Err() == nil {
			_ = consumer.Consume(ctx, []string{run.Topic}, o) // ends with every rebalance, and with a server that is gone
		}
		check.Must(consumer.Close())
	}()
	return o
}

func (o *owner) partitions() map[int32]bool {
	o.lock.Lock()
	defer o.lock.Unlock()
	return maps.Clone(o.owned)
}

func (o *owner) addSeen(to map[string]bool) {
	o.lock.Lock()
	defer o.lock.Unlock()
	maps.Copy(to, o.seen)
}

func (o *owner) leave() {
	o.stop()
	<-o.done
}

func seen(owners ...*owner) int {
	all := map[string]bool{}
	for _, o := range owners {
		o.addSeen(all)
	}
	return len(all)
}

func group(ctx context.Context, run check.Run) {
	first := newOwner(ctx, run)
	check.Until("one member owns all", func() bool { return len(first.partitions()) == 4 })
	second := newOwner(ctx, run)
	check.Until("two members share", func() bool { return len(first.partitions()) == 2 && len(second.partitions()) == 2 })
	for p := range first.partitions() {
		check.That(!second.partitions()[p], "both own partition %d", p)
	}
	sender := producer(run, func(config *sarama.Config) { config.Producer.Partitioner = sarama.NewRoundRobinPartitioner })
	for i := range run.Count {
		_, _, err := sender.SendMessage(message(run.Topic, fmt.Sprint(i)))
		check.Must(err)
	}
	check.Until("both have read everything", func() bool { return seen(first, second) == run.Count })
	admin := administrator(run)
	described := check.Value(admin.DescribeConsumerGroups([]string{run.Topic}))[0]
	check.That(len(described.Members) == 2 && described.State == "Stable", "the group is %v", described)
	second.leave()
	check.Until("the other one takes over", func() bool { return len(first.partitions()) == 4 })
	check.Until("all is committed", func() bool { return committed(run) == int64(run.Count) })
	first.leave()
	check.Must(admin.DeleteConsumerGroup(run.Topic))
}

func committed(run check.Run) int64 {
	answer := check.Value(administrator(run).ListConsumerGroupOffsets(run.Topic, map[string][]int32{run.Topic: {0, 1, 2, 3}}))
	var sum int64
	for _, block := range answer.Blocks[run.Topic] {
		check.That(block.Err == sarama.ErrNoError, "an offset: %v", block.Err)
		sum += max(block.Offset, 0)
	}
	return sum
}

// copier copies what was committed from the topic to TOPIC-out, with the offsets in the same transaction.
type copier struct {
	run      check.Run
	producer sarama.SyncProducer
	copied   atomic.Int32
}

func (c *copier) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (c *copier) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (c *copier) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for m := range claim.Messages() {
		check.Must(c.producer.BeginTxn())
		_, _, err := c.producer.SendMessage(message(c.run.Topic+"-out", "copy of "+string(m.Value)))
		check.Must(err)
		from := sarama.NewConsumerGroupMetadataFromSession(session, c.run.Topic, nil)
		check.Must(c.producer.AddMessageToTxnWithGroupMetadata(m, from, nil))
		check.Must(c.producer.CommitTxn())
		c.copied.Add(1)
	}
	return nil
}

func consumeUntil(ctx context.Context, run check.Run, handler sarama.ConsumerGroupHandler, enough func() bool) {
	config := settings(run)
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	consumer := check.Value(sarama.NewConsumerGroup([]string{run.Bootstrap}, run.Topic, config))
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			check.Must(consumer.Consume(ctx, []string{run.Topic}, handler))
		}
	}()
	check.Until("the handler has enough", enough)
	cancel()
	<-done
	check.Must(consumer.Close())
}

// survive produces and consumes until a line comes in, and then until every acknowledged record was seen.
func survive(ctx context.Context, run check.Run) {
	sender, consumer := producer(run, func(*sarama.Config) {}), newOwner(ctx, run)
	var enough atomic.Bool
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
		enough.Store(true)
	}()
	acknowledged := 0
	for ; !enough.Load(); acknowledged++ {
		value := fmt.Sprint(acknowledged)
		_, _, err := sender.SendMessage(message(run.Topic, value))
		check.Must(err)
		check.Say("acknowledged %s", value)
	}
	check.Until("every acknowledged record was seen", func() bool { return seen(consumer) == acknowledged })
	consumer.leave()
}
