//! The reference's HTTP messages.

use super::{Collector, Frame};
use crate::corpus::message::Kind;

pub(super) fn messages(frame: &Frame, collector: &mut Collector) {
    let count = frame.all("http.request.method").len();
    for index in 0..count {
        let of = |name| frame.of(name, index, count);
        collector.push(
            frame,
            Kind::HttpRequest,
            index,
            vec![
                ("method", of("http.request.method")),
                ("target", of("http.request.uri")),
                ("version", of("http.request.version")),
                ("host", of("http.host")),
                ("user_agent", of("http.user_agent")),
            ],
        );
    }
    let count = frame.all("http.response.code").len();
    for index in 0..count {
        let of = |name| frame.of(name, index, count);
        collector.push(
            frame,
            Kind::HttpResponse,
            index,
            vec![
                ("version", of("http.response.version")),
                ("status", of("http.response.code")),
                ("reason", of("http.response.phrase")),
                ("content_type", of("http.content_type")),
            ],
        );
    }
}
