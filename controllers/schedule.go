package controllers

import (
	"fmt"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// schedule says when an audit repeats, in its time zone.
type schedule struct {
	cron cron.Schedule
	zone *time.Location
}

// parseSchedule is nil for no schedule. Its error names the field.
func parseSchedule(spec *v1alpha1.ScheduleSpec, now time.Time) (*schedule, error) {
	if spec == nil {
		return nil, nil
	}
	zone, err := time.LoadLocation(spec.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("schedule.timeZone: %q is not a known time zone; a name such as Europe/Berlin is", spec.TimeZone)
	}
	parsed, err := cron.ParseStandard(spec.Cron)
	if err != nil {
		return nil, fmt.Errorf("schedule.cron: %q: %w", spec.Cron, err)
	}
	s := &schedule{cron: parsed, zone: zone}
	if s.next(now).IsZero() {
		return nil, fmt.Errorf("schedule.cron: %q names no day that ever comes", spec.Cron)
	}
	return s, nil
}

// next is the first time of the schedule after t; zero if there is none within five years.
func (s *schedule) next(t time.Time) time.Time {
	next := s.cron.Next(t.In(s.zone))
	if next.IsZero() {
		return next
	}
	return next.UTC()
}

// holds says whether t is one of the schedule's times: what status remembers may be of an earlier schedule.
func (s *schedule) holds(t time.Time) bool { return s.next(t.Add(-time.Second)).Equal(t.UTC()) }
