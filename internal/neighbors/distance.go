package neighbors

import "math"

// distance returns √(Σ(x−y)²), added in the order of the columns. It is 0 only for equal rows: where the squares leave
// the range of float64 they are scaled.
//
// The conversions of the squares keep compilers from fusing them into the sum, which would give other bits on other
// processors.
func distance[T Float](x, y []T) float64 {
	y = y[:len(x)]
	var sum float64
	for i, v := range x {
		d := float64(v) - float64(y[i])
		sum += float64(d * d)
	}
	return root(sum, x, y)
}

// distances4 is distance for four rows at once, which hides the latency of the four chains of additions.
func distances4[T Float](x, a, b, c, d []T) [4]float64 {
	a, b, c, d = a[:len(x)], b[:len(x)], c[:len(x)], d[:len(x)]
	var s0, s1, s2, s3 float64
	for i, v := range x {
		v := float64(v)
		e0, e1, e2, e3 := v-float64(a[i]), v-float64(b[i]), v-float64(c[i]), v-float64(d[i])
		s0 += float64(e0 * e0)
		s1 += float64(e1 * e1)
		s2 += float64(e2 * e2)
		s3 += float64(e3 * e3)
	}
	return [4]float64{root(s0, x, a), root(s1, x, b), root(s2, x, c), root(s3, x, d)}
}

// smallestSum is the least Σ(x−y)² that squares below the range of float64 cannot have spoiled.
const smallestSum = 0x1p-900

func root[T Float](sum float64, x, y []T) float64 {
	if sum >= smallestSum && sum <= math.MaxFloat64 {
		return math.Sqrt(sum)
	}
	return scaledDistance(x, y)
}

// scaledDistance is distance with the differences brought near 1 by a power of two first.
func scaledDistance[T Float](x, y []T) float64 {
	var largest float64
	for i, v := range x {
		largest = max(largest, math.Abs(float64(v)-float64(y[i])))
	}
	if largest == 0 || math.IsInf(largest, 1) {
		return largest
	}
	_, exponent := math.Frexp(largest)
	var sum float64
	for i, v := range x {
		d := math.Ldexp(float64(v)-float64(y[i]), -exponent)
		sum += float64(d * d)
	}
	return math.Ldexp(math.Sqrt(sum), exponent)
}

// nearest collects the k first of the rows offered to it, by (distance, index): a heap with the last of them at the
// root.
type nearest struct {
	k        int
	index    []int32
	distance []float64
}

func newNearest(k int) *nearest {
	return &nearest{k: k, index: make([]int32, 0, k), distance: make([]float64, 0, k)}
}

func (n *nearest) reset() { n.index, n.distance = n.index[:0], n.distance[:0] }

// bound returns the k-th distance so far, +Inf before there are k.
func (n *nearest) bound() float64 {
	if len(n.index) < n.k {
		return math.Inf(1)
	}
	return n.distance[0]
}

func (n *nearest) offer(index int32, distance float64) {
	if len(n.index) < n.k {
		n.index, n.distance = append(n.index, index), append(n.distance, distance)
		for i := len(n.index) - 1; i > 0; {
			parent := (i - 1) / 2
			if !n.less(parent, i) {
				return
			}
			n.swap(parent, i)
			i = parent
		}
		return
	}
	if distance > n.distance[0] || distance == n.distance[0] && index > n.index[0] {
		return
	}
	n.index[0], n.distance[0] = index, distance
	n.sink(len(n.index))
}

// sort turns the heap into a list, nearest first. Only reset may follow.
func (n *nearest) sort() {
	for last := len(n.index) - 1; last > 0; last-- {
		n.swap(0, last)
		n.sink(last)
	}
}

// sink moves the root down to its place in the heap of the first size entries.
func (n *nearest) sink(size int) {
	for i := 0; ; {
		child := 2*i + 1
		if child >= size {
			return
		}
		if child+1 < size && n.less(child, child+1) {
			child++
		}
		if !n.less(i, child) {
			return
		}
		n.swap(i, child)
		i = child
	}
}

func (n *nearest) less(i, j int) bool {
	if n.distance[i] != n.distance[j] {
		return n.distance[i] < n.distance[j]
	}
	return n.index[i] < n.index[j]
}

func (n *nearest) swap(i, j int) {
	n.index[i], n.index[j] = n.index[j], n.index[i]
	n.distance[i], n.distance[j] = n.distance[j], n.distance[i]
}
