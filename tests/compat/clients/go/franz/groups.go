package main

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"os"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"millstream/clients/check"
)

// owner is a member that knows what it was given, and commits what it reads.
type owner struct {
	client *kgo.Client
	stop   context.CancelFunc
	done   chan struct{}
	lock   sync.Mutex
	owned  map[int32]bool
	seen   map[string]bool
}

func newOwner(ctx context.Context, run check.Run) *owner {
	o := &owner{owned: map[int32]bool{}, seen: map[string]bool{}, done: make(chan struct{})}
	change := func(owns bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			o.lock.Lock()
			defer o.lock.Unlock()
			for _, p := range partitions[run.Topic] {
				o.owned[p] = owns
			}
		}
	}
	o.client = member(run, kgo.OnPartitionsAssigned(change(true)), kgo.OnPartitionsRevoked(change(false)), kgo.OnPartitionsLost(change(false)))
	ctx, o.stop = context.WithCancel(ctx)
	go o.poll(ctx)
	return o
}

func (o *owner) poll(ctx context.Context) {
	defer close(o.done)
	for ctx.Err() == nil {
		records := o.client.PollFetches(ctx).Records()
		o.lock.Lock()
		for _, r := range records {
			o.seen[string(r.Value)] = true
		}
		o.lock.Unlock()
		if len(records) > 0 {
			_ = o.client.CommitRecords(ctx, records...) // refused in a rebalance: the next member reads them again
		}
	}
}

func (o *owner) partitions() map[int32]bool {
	o.lock.Lock()
	defer o.lock.Unlock()
	now := map[int32]bool{}
	for p, owns := range o.owned {
		if owns {
			now[p] = true
		}
	}
	return now
}

func (o *owner) values() map[string]bool {
	o.lock.Lock()
	defer o.lock.Unlock()
	return maps.Clone(o.seen)
}

func (o *owner) leave() {
	o.stop()
	<-o.done
	o.client.Close()
}

func group(ctx context.Context, run check.Run) {
	first := newOwner(ctx, run)
	check.Until("one member owns all", func() bool { return len(first.partitions()) == 4 })
	second := newOwner(ctx, run)
	check.Until("two members share", func() bool { return len(first.partitions()) == 2 && len(second.partitions()) == 2 })
	for p := range first.partitions() {
		check.That(!second.partitions()[p], "both own partition %d", p)
	}
	producer := client(run)
	for i := range run.Count {
		producer.Produce(ctx, &kgo.Record{Topic: run.Topic, Value: fmt.Append(nil, i)}, func(_ *kgo.Record, err error) { check.Must(err) })
	}
	check.Must(producer.Flush(ctx))
	all := func(owners ...*owner) int {
		seen := map[string]bool{}
		for _, o := range owners {
			maps.Copy(seen, o.values())
		}
		return len(seen)
	}
	check.Until("both have read everything", func() bool { return all(first, second) == run.Count })
	admin := kadm.NewClient(producer)
	described := check.Value(admin.DescribeGroups(ctx, run.Topic))[run.Topic]
	if run.Variant == "classic" {
		check.That(len(described.Members) == 2 && described.State == "Stable", "the group is %v", described)
	}
	second.leave()
	check.Until("the other one takes over", func() bool { return len(first.partitions()) == 4 })
	check.Until("all is committed", func() bool { return committed(ctx, admin, run) == int64(run.Count) })
	first.leave()
	check.Must(check.Value(admin.DeleteGroup(ctx, run.Topic)).Err)
}

func committed(ctx context.Context, admin *kadm.Client, run check.Run) int64 {
	var sum int64
	for _, offset := range check.Value(admin.FetchOffsets(ctx, run.Topic)).Offsets()[run.Topic] {
		sum += offset.At
	}
	return sum
}

// survive produces and consumes until a line comes in, and then until every acknowledged record was seen.
func survive(ctx context.Context, run check.Run) {
	producer, consumer := client(run), newOwner(ctx, run)
	var enough atomic.Bool
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
		enough.Store(true)
	}()
	acknowledged := 0
	for ; !enough.Load(); acknowledged++ {
		value := fmt.Sprint(acknowledged)
		check.Must(producer.ProduceSync(ctx, &kgo.Record{Topic: run.Topic, Value: []byte(value)}).FirstErr())
		check.Say("acknowledged %s", value)
	}
	check.Until("every acknowledged record was seen", func() bool { return len(consumer.values()) == acknowledged })
	consumer.leave()
}
