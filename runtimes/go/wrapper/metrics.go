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

// The function's metrics in Prometheus' text format, by the names that all runtimes share.

const (
	metricsType  = "text/plain; version=0.0.4; charset=utf-8"
	metricPrefix = "knative_lambda_function_"
)

var (
	buckets = []float64{0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}
	escaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
)

// metrics counts calls; safe from any goroutine.
type metrics struct {
	labels    string
	lock      sync.Mutex
	succeeded int
	failed    int
	errors    map[string]int
	counts    []int
	seconds   float64
	inFlight  int
	started   int
	coldStart float64
}

func newMetrics(name, namespace string) *metrics {
	return &metrics{
		labels: fmt.Sprintf(`function="%s",namespace="%s"`, escaper.Replace(name), escaper.Replace(namespace)),
		errors: map[string]int{},
		counts: make([]int, len(buckets)+1),
	}
}

// ready records how long the start took, from the process's birth until requests are served.
func (m *metrics) ready(coldStartSeconds float64) { m.coldStart = coldStartSeconds }

// begin counts a call in; true for the first one of this instance.
func (m *metrics) begin() bool {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.inFlight++
	m.started++
	return m.started == 1
}

// end counts a call out.
func (m *metrics) end(duration time.Duration, failed *failure) {
	seconds := duration.Seconds()
	m.lock.Lock()
	defer m.lock.Unlock()
	m.inFlight--
	at, _ := slices.BinarySearch(buckets, seconds)
	m.counts[at]++
	m.seconds += seconds
	if failed == nil {
		m.succeeded++
		return
	}
	m.failed++
	m.errors[failed.kind]++
}

// refused counts an error of a request that never became a call.
func (m *metrics) refused(failed *failure) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.errors[failed.kind]++
}

// text returns everything in Prometheus' text format.
func (m *metrics) text() []byte {
	m.lock.Lock()
	defer m.lock.Unlock()
	page := &page{labels: m.labels}
	page.head("invocations_total", "counter", "Handler calls by how they ended.")
	page.line("invocations_total", `status="success"`, m.succeeded)
	page.line("invocations_total", `status="error"`, m.failed)
	page.head("errors_total", "counter", "Errors by type.")
	for _, kind := range slices.Sorted(maps.Keys(m.errors)) {
		page.line("errors_total", `error_type="`+kind+`"`, m.errors[kind])
	}
	page.head("cold_starts_total", "counter", "First calls of an instance.")
	page.line("cold_starts_total", "", min(1, m.started))
	m.histogram(page)
	page.head("in_flight", "gauge", "Handler calls that are running.")
	page.line("in_flight", "", m.inFlight)
	page.head("cold_start_seconds", "gauge", "From the process's birth until it served requests.")
	page.line("cold_start_seconds", "", rounded(m.coldStart, 1e4))
	return []byte(page.String())
}

func (m *metrics) histogram(page *page) {
	page.head("duration_seconds", "histogram", "How long handler calls took.")
	total := 0
	for index, count := range m.counts {
		bound := "+Inf"
		if index < len(buckets) {
			bound = strconv.FormatFloat(buckets[index], 'g', -1, 64)
		}
		total += count
		page.line("duration_seconds_bucket", `le="`+bound+`"`, total)
	}
	page.line("duration_seconds_sum", "", rounded(m.seconds, 1e6))
	page.line("duration_seconds_count", "", total)
}

func rounded(value, steps float64) float64 { return math.Round(value*steps) / steps }

// page is a text that is being written.
type page struct {
	strings.Builder
	labels string
}

func (p *page) head(name, kind, help string) {
	fmt.Fprintf(p, "# HELP %[1]s%[2]s %[4]s\n# TYPE %[1]s%[2]s %[3]s\n", metricPrefix, name, kind, help)
}

func (p *page) line(name, label string, value any) {
	if label != "" {
		label = "," + label
	}
	fmt.Fprintf(p, "%s%s{%s%s} %v\n", metricPrefix, name, p.labels, label, value)
}
