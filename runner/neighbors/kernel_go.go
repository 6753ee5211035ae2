package neighbors

const goGroup = 2

// goKernel runs everywhere.
var goKernel = kernel{name: "go", group: goGroup, scan: scanGo}

func scanGo(b *block, panels, bias []float32, first int) {
	stride := panelRows * b.columns
	for p := range len(bias) / panelRows {
		panel := panels[p*stride : (p+1)*stride]
		for g := range b.groups {
			queries := b.queries[g*goGroup*b.columns : (g+1)*goGroup*b.columns]
			for strip := 0; strip < panelRows; strip += 4 {
				row := p*panelRows + strip
				scores := scoreStrip(panel[strip:], queries, (*[4]float32)(bias[row:]))
				for j := range goGroup {
					t := b.threshold[g*goGroup+j]
					for i, score := range scores[4*j : 4*j+4] {
						if score > t {
							b.offer(g*goGroup+j, score, first+row+i)
							t = b.threshold[g*goGroup+j]
						}
					}
				}
			}
		}
	}
}

// scoreStrip scores two queries against four rows of a panel, which begins at
// the first of them.
func scoreStrip(panel, queries []float32, bias *[4]float32) [8]float32 {
	var total [8]float32
	copy(total[:4], bias[:])
	copy(total[4:], bias[:])
	for len(queries) > 0 {
		n := min(len(queries), chunkColumns*goGroup)
		var a0, a1, a2, a3, b0, b1, b2, b3 float32
		for k := 0; k+1 < n; k += goGroup {
			q, r := (*[goGroup]float32)(queries[k:]), (*[4]float32)(panel[k/goGroup*panelRows:])
			a0 += q[0] * r[0]
			a1 += q[0] * r[1]
			a2 += q[0] * r[2]
			a3 += q[0] * r[3]
			b0 += q[1] * r[0]
			b1 += q[1] * r[1]
			b2 += q[1] * r[2]
			b3 += q[1] * r[3]
		}
		for i, s := range [8]float32{a0, a1, a2, a3, b0, b1, b2, b3} {
			total[i] += s
		}
		if n == len(queries) {
			break
		}
		queries, panel = queries[n:], panel[n/goGroup*panelRows:]
	}
	return total
}

// offer appends a score to a query's list and cuts the list when it is full.
func (b *block) offer(query int, score float32, row int) {
	at := query * b.capacity
	n := int(b.length[query])
	b.score[at+n], b.index[at+n] = score, int32(row)
	n++
	if n == b.capacity {
		b.threshold[query] = keepHighest(b.score[at:at+n], b.index[at:at+n], b.keep)
		n = b.keep
	}
	b.length[query] = int32(n)
}

// keepHighest moves the keep highest scores to the front and returns the lowest
// of them (Hoare's quickselect, median of three).
func keepHighest(score []float32, index []int32, keep int) float32 {
	swap := func(i, j int) {
		score[i], score[j] = score[j], score[i]
		index[i], index[j] = index[j], index[i]
	}
	nth := keep - 1
	for low, high := 0, len(score)-1; low < high; {
		middle := low + (high-low)/2
		if score[middle] > score[low] {
			swap(middle, low)
		}
		if score[high] > score[low] {
			swap(high, low)
		}
		if score[high] > score[middle] {
			swap(high, middle)
		}
		pivot := score[middle]
		i, j := low, high
		for i <= j {
			for score[i] > pivot {
				i++
			}
			for score[j] < pivot {
				j--
			}
			if i <= j {
				swap(i, j)
				i++
				j--
			}
		}
		switch {
		case nth <= j:
			high = j
		case nth >= i:
			low = i
		default:
			return score[nth]
		}
	}
	return score[nth]
}
