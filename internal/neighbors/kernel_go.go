package neighbors

const goGroup = 2

// goKernel runs everywhere.
var goKernel = kernel{name: "go", group: goGroup, scan: scanGo}

func scanGo(b *block, panels, bias []float32, first int, rows lists) {
	stride := panelRows * b.columns
	for p := range len(bias) / panelRows {
		panel := panels[p*stride : (p+1)*stride]
		for g := range b.groups {
			queries := b.queries[g*goGroup*b.columns : (g+1)*goGroup*b.columns]
			for strip := 0; strip < panelRows; strip += 4 {
				row := p*panelRows + strip
				scores := scoreStrip(panel[strip:], queries)
				for j := range goGroup {
					query := g*goGroup + j
					for i, score := range scores[4*j : 4*j+4] {
						score += bias[row+i] + b.bias[query]
						if score > b.threshold[query] {
							b.offer(query, score, int32(first+row+i))
						}
						if rows.keep > 0 && score > rows.threshold[row+i] {
							rows.offer(row+i, score, int32(b.first+query))
						}
					}
				}
			}
		}
	}
}

// scoreStrip multiplies two queries by four rows of a panel, which begins at the first of them.
func scoreStrip(panel, queries []float32) [2 * 4]float32 {
	var total [2 * 4]float32
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
		for i, s := range [2 * 4]float32{a0, a1, a2, a3, b0, b1, b2, b3} {
			total[i] += s
		}
		if n == len(queries) {
			break
		}
		queries, panel = queries[n:], panel[n/goGroup*panelRows:]
	}
	return total
}
