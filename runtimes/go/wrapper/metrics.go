package wrapper

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The function's metrics in Prometheus' text format and in OpenMetrics, by the names that all runtimes share.
//
// OpenMetrics (https://prometheus.io/docs/specs/om/open_metrics_spec/) is what Prometheus asks for first. In it a bucket
// of durations shows the trace of its last call, if that had one that is sampled.

const (
	metricsType  = "text/plain; version=0.0.4; charset=utf-8"
	openMetrics  = "application/openmetrics-text"
	metricPrefix = "knative_lambda_function_"
)

var (
	buckets = []float64{0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}
	// startBuckets are for starts.
	startBuckets = []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}
	escaper      = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
)

// histogram counts by bounds, the last of them infinite, and keeps the trace that each bucket saw last.
type histogram struct {
	bounds    []float64
	counts    []int
	seconds   float64
	exemplars []string
}

func newHistogram(bounds []float64) *histogram {
	return &histogram{bounds, make([]int, len(bounds)+1), 0, make([]string, len(bounds)+1)}
}

func (h *histogram) add(seconds float64, traceID string) {
	at, _ := slices.BinarySearch(h.bounds, seconds)
	h.counts[at]++
	h.seconds += seconds
	if traceID != "" {
		now := float64(time.Now().UnixMilli()) / 1000
		h.exemplars[at] = fmt.Sprintf(` # {trace_id="%s"} %.6f %.3f`, traceID, seconds, now)
	}
}

func (h *histogram) count() (total int) {
	for _, count := range h.counts {
		total += count
	}
	return total
}

// metrics counts calls; safe from any goroutine.
type metrics struct {
	labels                string
	lock                  sync.Mutex
	succeeded, failed     *histogram
	untilReady, firstCall *histogram
	errors                map[string]int
	inFlight, started     int
	coldStart             float64
	readyAt               time.Time
}

func newMetrics(name, namespace string) *metrics {
	return &metrics{
		labels:     fmt.Sprintf(`function="%s",namespace="%s"`, escaper.Replace(name), escaper.Replace(namespace)),
		succeeded:  newHistogram(buckets),
		failed:     newHistogram(buckets),
		untilReady: newHistogram(startBuckets),
		firstCall:  newHistogram(startBuckets),
		errors:     map[string]int{},
		readyAt:    time.Now(),
	}
}

// ready records how long the start took, from the process's birth until requests are served.
func (m *metrics) ready(coldStartSeconds float64) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.coldStart, m.readyAt = coldStartSeconds, time.Now()
	m.untilReady.add(coldStartSeconds, "")
}

// begin counts a call in; true for the first one of this instance.
func (m *metrics) begin() bool {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.inFlight++
	m.started++
	if m.started > 1 {
		return false
	}
	m.firstCall.add(m.coldStart+time.Since(m.readyAt).Seconds(), "")
	return true
}

// end counts a call out; traceID is its trace if that is sampled.
func (m *metrics) end(duration time.Duration, failed *failure, traceID string) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.inFlight--
	if failed == nil {
		m.succeeded.add(duration.Seconds(), traceID)
		return
	}
	m.failed.add(duration.Seconds(), traceID)
	m.errors[failed.kind]++
}

// refused counts an error of a request that never became a call.
func (m *metrics) refused(failed *failure) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.errors[failed.kind]++
}

// text returns everything in Prometheus' text format or in OpenMetrics.
func (m *metrics) text(open bool) []byte {
	m.lock.Lock()
	defer m.lock.Unlock()
	page := &page{labels: m.labels, open: open}
	page.head("invocations_total", "counter", "Handler calls by how they ended.")
	page.line("invocations_total", `status="success"`, m.succeeded.count(), "")
	page.line("invocations_total", `status="error"`, m.failed.count(), "")
	page.head("errors_total", "counter", "Errors by type.")
	for _, kind := range slices.Sorted(maps.Keys(m.errors)) {
		page.line("errors_total", `error_type="`+kind+`"`, m.errors[kind], "")
	}
	page.head("cold_starts_total", "counter", "First calls of an instance.")
	page.line("cold_starts_total", "", min(1, m.started), "")
	page.head("duration_seconds", "histogram", "How long handler calls took.")
	page.histogram("duration_seconds", `status="success"`, m.succeeded)
	page.histogram("duration_seconds", `status="error"`, m.failed)
	page.head("in_flight", "gauge", "Handler calls that are running.")
	page.line("in_flight", "", m.inFlight, "")
	page.head("cold_start_seconds", "gauge", "From the process's birth until it served requests.")
	page.line("cold_start_seconds", "", rounded(m.coldStart, 1e4), "")
	const starts = "From the process's birth until it served requests, and until its first call."
	page.head("start_duration_seconds", "histogram", starts)
	page.histogram("start_duration_seconds", `until="ready"`, m.untilReady)
	page.histogram("start_duration_seconds", `until="first_call"`, m.firstCall)
	if open {
		page.WriteString("# EOF\n")
	}
	return []byte(page.String())
}

func rounded(value, steps float64) float64 { return math.Round(value*steps) / steps }

// page is a text that is being written.
type page struct {
	strings.Builder
	labels string
	open   bool
}

func (p *page) head(name, kind, help string) {
	if p.open {
		name = strings.TrimSuffix(name, "_total")
	}
	fmt.Fprintf(p, "# HELP %[1]s%[2]s %[4]s\n# TYPE %[1]s%[2]s %[3]s\n", metricPrefix, name, kind, help)
}

func (p *page) line(name, label string, value any, exemplar string) {
	if label != "" {
		label = "," + label
	}
	if !p.open {
		exemplar = ""
	}
	fmt.Fprintf(p, "%s%s{%s%s} %v%s\n", metricPrefix, name, p.labels, label, value, exemplar)
}

func (p *page) histogram(name, label string, found *histogram) {
	total := 0
	for index, count := range found.counts {
		total += count
		p.line(name+"_bucket", label+`,le="`+p.bound(found, index)+`"`, total, found.exemplars[index])
	}
	p.line(name+"_sum", label, rounded(found.seconds, 1e6), "")
	p.line(name+"_count", label, total, "")
}

// bound returns a bucket's upper bound; OpenMetrics wants a decimal point in whole numbers.
func (p *page) bound(found *histogram, index int) string {
	if index == len(found.bounds) {
		return "+Inf"
	}
	text := strconv.FormatFloat(found.bounds[index], 'g', -1, 64)
	if p.open && !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}
