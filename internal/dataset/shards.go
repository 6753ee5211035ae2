package dataset

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/datasetaudit/dataset-audit/internal/storage"
)

// A dataset of many large objects: shards, which each hold many samples.

// listers is how many shards are listed at once.
const listers = 16

// listShards lists the samples of shards concurrently and returns them shard by shard.
func listShards(ctx context.Context, shards []storage.Object, list func(ctx context.Context, shard storage.Object) ([]entry, error)) ([]entry, error) {
	found := make([][]entry, len(shards))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(listers)
	for i, shard := range shards {
		group.Go(func() error {
			if shard.Err != nil {
				return mistake(shard.Err)
			}
			entries, err := list(ctx, shard)
			found[i] = entries
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	total := 0
	for _, entries := range found {
		total += len(entries)
	}
	all := make([]entry, 0, total)
	for i, entries := range found {
		all = append(all, entries...)
		found[i] = nil
	}
	return all, nil
}

// shardNumber is how TensorFlow and Hugging Face call a file that is one of several: train-00003-of-00010.parquet.
var shardNumber = regexp.MustCompile(`-(\d{5})-of-(\d{5})`)

// missingShards warns of files that say that they are one of several, some of which are not there.
func missingShards(shards []storage.Object) []string {
	there, total := map[string]map[string]bool{}, map[string]int{}
	for _, shard := range shards {
		at := shardNumber.FindStringSubmatchIndex(shard.Key)
		if at == nil {
			continue
		}
		set := shard.Key[:at[2]] + "*" + shard.Key[at[3]:]
		if there[set] == nil {
			there[set] = map[string]bool{}
			total[set], _ = strconv.Atoi(shard.Key[at[4]:at[5]]) // five digits
		}
		there[set][shard.Key[at[2]:at[3]]] = true
	}
	var missing []string
	for _, set := range slices.Sorted(maps.Keys(there)) {
		if n := len(there[set]); n < total[set] {
			missing = append(missing, fmt.Sprintf("%s (%d of %d)", set, n, total[set]))
		}
	}
	if missing == nil {
		return nil
	}
	return []string{fmt.Sprintf("some files are missing, by the names of the others: %s are there; was a download interrupted?", some(missing))}
}

// number gives the entries without an ID theirs: the split and the number there, over its shards in their order, or the
// shard and the number there where there is no split.
func number(entries []entry) {
	next := map[string]int{}
	for i := range entries {
		e := &entries[i]
		prefix := e.Split
		if prefix == "" {
			prefix = e.key
		}
		n := next[prefix]
		next[prefix]++
		if e.ID == "" {
			e.ID = prefix + ":" + strconv.Itoa(n)
		}
	}
}

// maxExpanded bounds how many paths a pattern stands for.
const maxExpanded = 1 << 20

// expand spells out a pattern as shells do: {000..146} is a range of numbers, padded as its ends are, and {a,b} either.
// Braces may follow each other, and may not contain each other.
func expand(pattern string) ([]string, error) {
	before, rest, ok := strings.Cut(pattern, "{")
	if !ok {
		return []string{pattern}, nil
	}
	inside, after, ok := strings.Cut(rest, "}")
	if !ok || strings.Contains(inside, "{") {
		return nil, invalid("dataset.webDataset.shards: %q has a brace without its partner, or one within another", pattern)
	}
	choices := strings.Split(inside, ",")
	if from, to, ok := strings.Cut(inside, ".."); ok {
		var err error
		if choices, err = numbers(from, to); err != nil {
			return nil, invalid("dataset.webDataset.shards: %q: {%s} is not a range such as {000..146}: %w", pattern, inside, err)
		}
	}
	tails, err := expand(after)
	if err != nil {
		return nil, err
	}
	if len(tails)*len(choices) > maxExpanded {
		return nil, invalid("dataset.webDataset.shards: %q stands for more than %d paths", pattern, maxExpanded)
	}
	paths := make([]string, 0, len(tails)*len(choices))
	for _, choice := range choices {
		for _, tail := range tails {
			paths = append(paths, before+choice+tail)
		}
	}
	return paths, nil
}

// numbers are those from one to another, with as many digits as the longer of the two.
func numbers(from, to string) ([]string, error) {
	first, err := strconv.ParseUint(from, 10, 31)
	if err != nil {
		return nil, err
	}
	last, err := strconv.ParseUint(to, 10, 31)
	if err != nil {
		return nil, err
	}
	if last < first || last-first >= maxExpanded {
		return nil, invalid("it must ascend, over at most %d numbers", maxExpanded)
	}
	width := max(len(from), len(to))
	if from == strconv.FormatUint(first, 10) && to == strconv.FormatUint(last, 10) {
		width = 0 // {1..12} is not padded
	}
	var out []string
	for n := first; n <= last; n++ {
		text := strconv.FormatUint(n, 10)
		out = append(out, strings.Repeat("0", max(0, width-len(text)))+text)
	}
	return out, nil
}
