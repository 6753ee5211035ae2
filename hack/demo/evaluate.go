package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/demo"
)

// The least parts that an audit of the demo must get right.
const (
	leastOfSubtle = .95 // of the brightness and JPEG edits
	leastOfEdits  = .8  // of all edits
	leastOfLinks  = .9  // the precision
)

// evaluate prints how much of what was planted in a demo's folder an audit found, whose results lie in another folder.
// Less than it must find is an error.
//
// A planted copy is found if it is in one cluster with its source. The precision is that of the links of which clusters
// are made, pairs.csv: a link is right if its two samples derive from the same picture. Files of the same bytes count
// as one in it: else the large groups, each link between which stands for 180 pairs, would hide what is wrong.
func evaluate(w io.Writer, of, results string) error {
	var planted demo.Truth
	if err := readJSON(filepath.Join(of, demo.TruthFile), &planted); err != nil {
		return err
	}
	found, err := readFindings(results)
	if err != nil {
		return err
	}
	table := compare(&planted, found)
	out := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(out, "planted\tfound\tof\tpart\trequired")
	var short []string
	for _, s := range table {
		required := ""
		if s.least > 0 {
			required = fmt.Sprintf("≥ %.0f %%", 100*s.least)
		}
		fmt.Fprintf(out, "%s\t%d\t%d\t%.0f %%\t%s\n", s.name, s.found, s.of, 100*s.part(), required)
		if s.part() < s.least {
			short = append(short, s.name)
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if len(short) > 0 {
		return errors.New("the audit got too little right: " + strings.Join(short, ", "))
	}
	return nil
}

// A score is a line of the table: what was found of what is there, and the least part that must be.
type score struct {
	name      string
	found, of int
	least     float64
}

func (s *score) add(found bool) {
	s.of++
	if found {
		s.found++
	}
}

func (s *score) part() float64 { return float64(s.found) / float64(max(1, s.of)) }

func compare(planted *demo.Truth, found *findings) []score {
	together := func(a, b string) bool {
		first, clustered := found.cluster[a]
		second, both := found.cluster[b]
		return clustered && both && first == second
	}
	copies := score{name: "exact copies", least: 1}
	subtle := score{name: "brightness and jpeg", least: leastOfSubtle}
	edited := score{name: "all edits", least: leastOfEdits}
	all := demo.Kinds()
	kinds := make([]score, len(all))
	for i, kind := range all {
		kinds[i].name = "  " + kind
	}
	for _, c := range planted.Planted {
		hit := together(c.Source, c.Copy)
		if c.Kind == demo.Exact {
			copies.add(hit)
			continue
		}
		edited.add(hit)
		if c.Kind == "brightness" || c.Kind == "jpeg" {
			subtle.add(hit)
		}
		for i, kind := range all {
			if kind == c.Kind {
				kinds[i].add(hit)
			}
		}
	}

	leaks := score{name: "leaks from train into test", least: leastOfEdits}
	exactLeaks := 0
	for _, c := range planted.Leaks {
		leaks.add(together(c.Source, c.Copy))
		if demo.IsExact(c.Kind) {
			exactLeaks++
		}
	}
	conflicts := score{name: "label conflicts", least: 1}
	for _, c := range planted.Conflicts {
		conflicts.add(together(c.Source, c.Copy))
	}
	groups := score{name: "two large groups in one cluster", least: 1}
	for _, id := range slices.Concat(planted.Identical, planted.Edited) {
		groups.add(together(id, planted.Identical[0]))
	}

	// The summary counts what it found by chance, too.
	inSummary := func(name string, counted int64, of int) score {
		return score{name: name + " in the summary", found: min(int(counted), of), of: of, least: 1}
	}
	var leaking, conflicting int64
	if l := found.layer.Leakage; l != nil {
		leaking = l.ExactCopies
	}
	if n := found.layer.LabelConflicts; n != nil {
		conflicting = *n
	}

	links := score{name: "links that join copies (precision)", least: leastOfLinks}
	content, picture := planted.Origins(demo.Exact), planted.Origins()
	seen := map[[2]string]bool{}
	for _, l := range found.links {
		pair := [2]string{content(l[0]), content(l[1])}
		slices.Sort(pair[:])
		if pair[0] != pair[1] && !seen[pair] {
			seen[pair] = true
			links.add(picture(l[0]) == picture(l[1]))
		}
	}
	return slices.Concat(
		[]score{copies, edited, subtle}, kinds,
		[]score{
			leaks, conflicts, groups,
			inSummary("exact leaks", leaking, exactLeaks),
			inSummary("label conflicts", conflicting, len(planted.Conflicts)),
			links,
		})
}

// findings are what an audit found in one layer.
type findings struct {
	layer   v1alpha1.LayerSummary
	cluster map[string]int // of every sample that is in one
	links   [][2]string    // pairs of samples
}

// readFindings reads an audit's results, summary.json, clusters.jsonl and pairs.csv.
func readFindings(results string) (*findings, error) {
	var summary v1alpha1.AuditSummary
	if err := readJSON(filepath.Join(results, "summary.json"), &summary); err != nil {
		return nil, err
	}
	if len(summary.Layers) != 1 {
		return nil, fmt.Errorf("%s: the demo's audit has one layer, this one %d", results, len(summary.Layers))
	}
	f := &findings{layer: summary.Layers[0], cluster: map[string]int{}}

	clusters, err := os.Open(filepath.Join(results, "clusters.jsonl"))
	if err != nil {
		return nil, err
	}
	defer clusters.Close()
	for lines := json.NewDecoder(clusters); ; {
		var c struct {
			Cluster int
			Members []struct{ ID string }
		}
		err := lines.Decode(&c)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", clusters.Name(), err)
		}
		for _, m := range c.Members {
			f.cluster[m.ID] = c.Cluster
		}
	}

	pairs, err := os.Open(filepath.Join(results, "pairs.csv"))
	if err != nil {
		return nil, err
	}
	defer pairs.Close()
	rows, err := csv.NewReader(pairs).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pairs.Name(), err)
	}
	if header := "layer,indexA,indexB,idA,idB,distance,baseline,similarity,change,reference"; len(rows) == 0 || strings.Join(rows[0], ",") != header {
		return nil, fmt.Errorf("%s: its first line is not %s", pairs.Name(), header)
	}
	for _, row := range rows[1:] {
		f.links = append(f.links, [2]string{row[3], row[4]})
	}
	return f, nil
}

func readJSON(path string, value any) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, value); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
