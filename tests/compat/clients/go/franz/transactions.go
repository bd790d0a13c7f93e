package main

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"millstream/clients/check"
)

func transactions(ctx context.Context, run check.Run) {
	producer := client(run, byHand(), kgo.TransactionalID(run.Topic))
	for i := range 4 {
		check.Must(producer.BeginTransaction())
		check.Must(producer.ProduceSync(ctx, record(run.Topic, fmt.Sprint(i))).FirstErr())
		check.Must(producer.EndTransaction(ctx, kgo.TransactionEndTry(i%2 == 0)))
	}
	expect(ctx, reader(run, run.Topic, kgo.FetchIsolationLevel(kgo.ReadCommitted())), "0", "2")
	expect(ctx, reader(run, run.Topic), "0", "1", "2", "3")
	copyOnce(ctx, run)
	expect(ctx, reader(run, run.Topic+"-out", kgo.FetchIsolationLevel(kgo.ReadCommitted())), "copy of 0", "copy of 2")
	admin := kadm.NewClient(producer)
	check.That(committed(ctx, admin, run) == 5, "%d is committed", committed(ctx, admin, run)) // 0 mark 1 mark 2: the one after 2 is at 5
	described := check.Value(admin.DescribeTransactions(ctx, run.Topic))[run.Topic]
	check.That(described.State == "CompleteAbort", "the transactional id is %v", described)
}

func expect(ctx context.Context, from *kgo.Client, values ...string) {
	for i, got := range take(ctx, from, len(values)) {
		check.That(string(got.Value) == values[i], "record %d is %q, not %q", i, got.Value, values[i])
	}
	from.Close()
}

// copyOnce copies what was committed from the topic to TOPIC-out, with the offsets in the same transaction.
func copyOnce(ctx context.Context, run check.Run) {
	session := check.Value(kgo.NewGroupTransactSession(kgo.SeedBrokers(run.Bootstrap), byHand(), kgo.TransactionalID(run.Topic+"-copy"),
		kgo.ConsumerGroup(run.Topic), kgo.ConsumeTopics(run.Topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.RequireStableFetchOffsets()))
	defer session.Close()
	for copied := 0; copied < 2; {
		fetches := session.PollFetches(ctx)
		check.Must(fetches.Err())
		check.Must(session.Begin())
		for _, r := range fetches.Records() {
			check.Must(session.ProduceSync(ctx, record(run.Topic+"-out", "copy of "+string(r.Value))).FirstErr())
			copied++
		}
		check.That(check.Value(session.End(ctx, kgo.TryCommit)), "the copy was not committed")
	}
}
