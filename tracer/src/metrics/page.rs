//! The page for Prometheus, as `OpenMetrics` text.

use std::{collections::BTreeMap, fmt};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet, text},
    metrics::MetricType,
    registry::Registry,
};

use super::{
    snapshot::{Service, Snapshot},
    tally::LATENCIES,
};
use crate::stats::{FlowCounters, Outcomes};

/// What the page is, for `Content-Type`.
pub(super) const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The whole page.
///
/// # Errors
///
/// None that there could be.
pub(super) fn page(snapshot: Snapshot) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(snapshot));
    let mut page = String::new();
    text::encode(&mut page, &registry)?;
    Ok(page)
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let page = &mut Page(&mut encoder);
        self.process(page)?;
        self.packets(page)?;
        self.flows(page)?;
        self.memory(page)?;
        self.events(page)?;
        self.services(page)
    }
}

impl Snapshot {
    fn process(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let mut info =
            page.0.encode_descriptor("tracer_build", "Version.", None, MetricType::Info)?;
        info.encode_info(&[("version", &*self.version)])?;
        let help = "When tracing began, in seconds of Unix time.";
        page.gauge("process_start_time_seconds", help, self.began)?;
        if let Some(resident) = self.resident {
            let help =
                "Bytes of the process that reads packets, rings included, that are in memory.";
            page.gauge("process_resident_memory_bytes", help, resident)?;
        }
        Ok(())
    }

    fn packets(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let Outcomes {
            not_selected,
            pure_ack,
            duplicate,
            fragment,
            malformed,
            shunted,
            copied,
            truncated,
            shed,
            lost,
        } = self.stats.outcomes;
        let outcomes = [
            ("not_selected", not_selected),
            ("pure_ack", pure_ack),
            ("duplicate", duplicate),
            ("fragment", fragment),
            ("malformed", malformed),
            ("shunted", shunted),
            ("copied", copied),
            ("truncated", truncated),
            ("shed", shed),
            ("lost_ring_full", lost.ring_full),
            ("lost_unreadable", lost.unreadable),
        ];
        let help = "Packets seen, each with the one outcome that it has.";
        page.counters(
            "tracer_packets",
            help,
            outcomes.map(|(name, of)| ([("outcome", name)], of)),
        )?;
        let help = "Bytes of packets, headers included, that were copied out of the kernel.";
        page.counter("tracer_captured_bytes", help, self.captured)?;
        let rings = || self.rings.iter().enumerate();
        let help = "Bytes of the ring of a shard that wait to be read.";
        let waiting = rings().map(|(shard, ring)| ([("shard", shard.to_string())], ring.waiting));
        page.gauges("tracer_ring_waiting_bytes", help, waiting)?;
        let help = "Bytes that the ring of a shard takes.";
        let sizes = rings().map(|(shard, ring)| ([("shard", shard.to_string())], ring.size));
        page.gauges("tracer_ring_size_bytes", help, sizes)
    }

    fn flows(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let FlowCounters { open, total, gaps, gap_bytes, shed, given_up, .. } = self.stats.flows;
        page.gauge("tracer_flows_open", "Connections that are open.", open)?;
        page.counter("tracer_flows", "Connections seen.", total)?;
        let help = "New connections that were not followed, to keep up.";
        page.counter("tracer_flows_shed", help, shed)?;
        let help = "Connections that were given up, to keep up.";
        page.counter("tracer_flows_given_up", help, given_up)?;
        page.counter("tracer_gaps", "Gaps in what was said.", gaps)?;
        page.counter("tracer_gap_bytes", "Bytes in these gaps.", gap_bytes)
    }

    fn memory(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let kinds = || self.memory.iter().map(|(kind, memory)| ([("kind", &**kind)], memory));
        let held = kinds().map(|(kind, memory)| (kind, memory.held));
        page.gauges("tracer_memory_bytes", "Bytes that are held.", held)?;
        let limit = kinds().map(|(kind, memory)| (kind, memory.limit));
        page.gauges("tracer_memory_limit_bytes", "Bytes that may be held.", limit)
    }

    fn events(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let help = "Events, those that were not written with them.";
        page.counters("tracer_events", help, labelled("action", &self.actions))?;
        let help = "Events that were not written, because the output was too slow.";
        page.counter("tracer_events_lost", help, self.stats.events_lost)?;
        let help = "Anomalies, as the events name them.";
        page.counters("tracer_anomalies", help, labelled("code", &self.anomalies))
    }

    fn services(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let all = || self.services.iter();
        let help = "Requests, or commands, by protocol and port of the server.";
        let requests = all().map(|service| (labels(service), service.requests));
        page.counters("tracer_requests", help, requests)?;
        let help = "Answers by the class of their status.";
        let classes = all().flat_map(|service| {
            service.classes.iter().map(|(class, count)| {
                let [protocol, port] = labels(service);
                ([protocol, port, ("class", class.clone())], *count)
            })
        });
        page.counters("tracer_responses", help, classes)?;
        let help = "Time from a request to its answer.";
        let name = "tracer_response_seconds";
        let mut metric = page.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for service in all() {
            let bounds = LATENCIES.iter().map(|bound| seconds(*bound)).chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(service.latencies.iter().copied()).collect();
            let count = service.latencies.iter().sum();
            let sum = seconds(service.waited);
            let labels = labels(service);
            metric
                .encode_family(&labels)?
                .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }
}

fn labels(service: &Service) -> [(&'static str, String); 2] {
    [("protocol", service.protocol.clone()), ("port", service.port())]
}

fn labelled<'a>(
    label: &'a str,
    counts: &'a BTreeMap<String, u64>,
) -> impl Iterator<Item = ([(&'a str, &'a str); 1], u64)> {
    counts.iter().map(move |(value, count)| ([(label, &**value)], *count))
}

#[expect(clippy::cast_precision_loss, reason = "after a hundred days of waiting a microsecond")]
fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

/// Takes metrics.
struct Page<'a, 'e>(&'a mut DescriptorEncoder<'e>);

impl Page<'_, '_> {
    fn counter(&mut self, name: &str, help: &str, count: u64) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, f64>(&count, None)
    }

    fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        counts: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, count) in counts {
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&count, None)?;
        }
        Ok(())
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        metric.encode_gauge(&value)
    }

    fn gauges<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in values {
            metric.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }
}
