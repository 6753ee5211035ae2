package neighbors

// A kernel scores a block of queries against consecutive panels of a space and
// offers the scores to the queries' shortlists: wherever a score is above its
// query's threshold, score and row are appended, and a list that is full is cut
// to the keep highest, the lowest of which becomes the threshold. So at any
// time every row that was scanned and is not listed has a score of at most the
// threshold.
type kernel struct {
	name  string
	group int // queries that share a tile; a block holds a multiple of it
	scan  func(b *block, panels, bias []float32, first int)
}

// A block is the queries that one goroutine searches at once, with their
// shortlists.
type block struct {
	columns  int
	groups   int
	keep     int // ≥ 1
	capacity int // of a list, > keep

	queries   []float32 // groups of columns×kernel.group
	threshold []float32 // one for each query, as all that follow
	score     []float32 // ×capacity
	index     []int32   // ×capacity
	length    []int32

	partial []float32 // groups of kernel.group×tileRows, the kernel's scratch
}

func newBlock(k kernel, columns, queries, keep, capacity int) *block {
	groups := (queries + k.group - 1) / k.group
	queries = groups * k.group
	return &block{
		columns:   columns,
		groups:    groups,
		keep:      keep,
		capacity:  capacity,
		queries:   make([]float32, queries*columns),
		threshold: make([]float32, queries),
		score:     make([]float32, queries*capacity),
		index:     make([]int32, queries*capacity),
		length:    make([]int32, queries),
		partial:   make([]float32, queries*tileRows),
	}
}
