package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"millstream/clients/check"
)

func times(ctx context.Context, run check.Run) {
	const first = 1_700_000_000_000
	producer := client(run, byHand())
	for i := range int64(10) {
		sent := record(run.Topic, fmt.Sprint(i))
		sent.Timestamp = time.UnixMilli(first + 1000*i)
		check.Must(producer.ProduceSync(ctx, sent).FirstErr())
	}
	admin := kadm.NewClient(producer)
	offset := func(listed kadm.ListedOffsets, err error) int64 {
		check.Must(err)
		found, _ := listed.Lookup(run.Topic, 0)
		check.Must(found.Err)
		return found.Offset
	}
	expect := func(what string, got, want int64) { check.That(got == want, "%s: offset %d, not %d", what, got, want) }
	expect("in between", offset(admin.ListOffsetsAfterMilli(ctx, first+4500, run.Topic)), 5)
	expect("after all", offset(admin.ListOffsetsAfterMilli(ctx, first+100_000, run.Topic)), 10) // kadm asks for the end then
	expect("the start", offset(admin.ListStartOffsets(ctx, run.Topic)), 0)
	expect("the end", offset(admin.ListEndOffsets(ctx, run.Topic)), 10)
	var below kadm.Offsets
	below.AddOffset(run.Topic, 0, 4, -1)
	check.Must(check.Value(admin.DeleteRecords(ctx, below)).Error())
	expect("the start of what is left", offset(admin.ListStartOffsets(ctx, run.Topic)), 4)
}
