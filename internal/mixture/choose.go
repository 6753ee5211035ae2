package mixture

import (
	"context"
	"math"
)

// patience is how many numbers of components in a row may be no better before the search ends.
const patience = 2

// ChooseComponents fits mixtures of 1, 2, … components, at most Options.Components, and returns the one with the least
// BIC, the smaller of equals. As the criterion falls and then rises in general, the search ends once two fits in a row
// have not improved on the best one, or one has dropped components. Options.Start is not used.
func ChooseComponents(ctx context.Context, x Matrix, o Options) (*Model, error) {
	var best *Model
	least, bestAt := math.Inf(1), 0
	most := o.Components
	o.Start = nil
	for k := 1; k <= max(most, 1) && k-bestAt <= patience; k++ {
		o.Components = min(k, most) // an invalid number is Fit's to refuse
		m, err := Fit(ctx, x, o)
		if err != nil {
			return nil, err
		}
		densities, err := m.LogDensities(ctx, x, o.Threads)
		if err != nil {
			return nil, err
		}
		if bic := m.BIC(densities); best == nil || bic < least {
			best, least, bestAt = m, bic, k
		}
		if m.Dropped > 0 {
			break
		}
	}
	return best, nil
}
