package main

import (
	"fmt"
	"io"
	"slices"
)

// counts are what came of some files.
type counts struct {
	of       [verdicts]int
	panicked int
}

func (c *counts) add(d counts) {
	for i, n := range d.of {
		c.of[i] += n
	}
	c.panicked += d.panicked
}

func (c *counts) files() (n int) {
	for _, m := range c.of {
		n += m
	}
	return n
}

// valid are the files that the reference reads.
func (c *counts) valid() int { return c.of[right] + c.of[wrong] + c.of[refusedValid] }

// A tally has the counts of suites and of formats, each in the order in which they came.
type tally struct {
	suites, formats rows // without the formats apart
	apart           rows
}

type rows struct {
	names []string
	by    map[string]*counts
}

func (r *rows) add(name string, c counts) {
	if r.by == nil {
		r.by = map[string]*counts{}
	}
	if r.by[name] == nil {
		r.by[name] = &counts{}
		r.names = append(r.names, name)
	}
	r.by[name].add(c)
}

func (r *rows) total() (sum counts) {
	for _, c := range r.by {
		sum.add(*c)
	}
	return sum
}

func (t *tally) add(suite string, r result) {
	var c counts
	c.of[r.verdict] = 1
	if r.panicked {
		c.panicked = 1
	}
	if slices.Contains(apart, r.format) {
		t.apart.add(r.format, c)
		return
	}
	t.suites.add(suite, c)
	t.formats.add(r.format, c)
}

// print writes a table of the suites, one of the formats, which has the total, and one of the formats apart if there
// are any.
func (t *tally) print(w io.Writer) {
	t.suites.print(w, "suite", false)
	fmt.Fprintln(w)
	slices.Sort(t.formats.names)
	t.formats.print(w, "format", true)
	if len(t.apart.names) > 0 {
		fmt.Fprintln(w)
		slices.Sort(t.apart.names)
		t.apart.print(w, "counted apart", true)
	}
}

func (r *rows) print(w io.Writer, title string, total bool) {
	fmt.Fprintf(w, "| %s | files | right | wrong | refused though valid | accepted though invalid | both refuse | panicked | refused of the valid |\n", title)
	fmt.Fprintln(w, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, name := range r.names {
		r.by[name].print(w, name)
	}
	if total {
		sum := r.total()
		sum.print(w, "**total**")
	}
}

func (c *counts) print(w io.Writer, name string) {
	part := "–"
	if valid := c.valid(); valid > 0 {
		part = fmt.Sprintf("%.1f %%", 100*float64(c.of[refusedValid])/float64(valid))
	}
	fmt.Fprintf(w, "| %s | %d | %d | %d | %d | %d | %d | %d | %s |\n", name, c.files(),
		c.of[right], c.of[wrong], c.of[refusedValid], c.of[acceptedInvalid], c.of[bothRefuse], c.panicked, part)
}
