//! Messages of HTTP.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

use super::{Describe, Text};

/// `http-request`: the head of a request is complete.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Request<'a> {
    /// The object `http`.
    pub http: RequestHttp<'a>,
    /// The object `url`.
    #[serde(skip_serializing_if = "Url::is_empty")]
    pub url: Url<'a>,
    /// The object `user_agent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<UserAgent<'a>>,
    /// Whether a body follows, by the message's framing.
    #[serde(skip)]
    pub has_body: bool,
}

/// The object `http` of `http-request`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RequestHttp<'a> {
    /// Version as sent, as `1.1`; empty where the request line has none.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub version: &'a str,
    /// The object `http.request`.
    pub request: RequestFields<'a>,
}

/// The object `http.request`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RequestFields<'a> {
    /// Method as sent.
    pub method: &'a str,
    /// Media type of the body, without parameters, in lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<Text<'a>>,
    /// Value of Referer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrer: Option<Text<'a>>,
    /// The object `http.request.body`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
    /// Header fields.
    #[serde(skip_serializing_if = "Headers::is_empty")]
    pub header: Headers<'a>,
}

/// The object `body` of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Body {
    /// Bytes announced by Content-Length.
    pub bytes: u64,
}

/// The object `url`: what the request's target names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Url<'a> {
    /// Target as sent (RFC 9112 section 3.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original: Option<Text<'a>>,
    /// Host of an absolute or authority target, else of the Host field; the
    /// brackets of an IPv6 address included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Text<'a>>,
    /// Port beside the host, if one stands there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Path of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Text<'a>>,
    /// What stands behind the `?`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<Text<'a>>,
}

impl Url<'_> {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The object `user_agent`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UserAgent<'a> {
    /// Value of User-Agent.
    pub original: Text<'a>,
}

/// `http-response`: the head of a response is complete.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Response<'a> {
    /// The object `http`.
    pub http: ResponseHttp<'a>,
    /// Whether a body follows, by the message's framing.
    #[serde(skip)]
    pub has_body: bool,
}

/// The object `http` of `http-response`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ResponseHttp<'a> {
    /// Version as sent, as `1.1`.
    pub version: &'a str,
    /// The object `http.response`.
    pub response: ResponseFields<'a>,
}

/// The object `http.response`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ResponseFields<'a> {
    /// Status code.
    pub status_code: u16,
    /// Reason phrase, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text<'a>>,
    /// Media type of the body, without parameters, in lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<Text<'a>>,
    /// The object `http.response.body`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
    /// Header fields.
    #[serde(skip_serializing_if = "Headers::is_empty")]
    pub header: Headers<'a>,
}

/// Header fields in the order in which they were sent. In JSON an object: each
/// name once, in lower case, with the list of its values.
#[derive(Clone, Copy, Default)]
pub struct Headers<'a>(pub &'a [httparse::Header<'a>]);

/// The values of the fields that bear one name, in order.
struct Values<'a> {
    fields: &'a [httparse::Header<'a>],
    name: &'a str,
}

impl Headers<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0).finish()
    }
}

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (number, field) in self.0.iter().enumerate() {
            let (before, fields) = self.0.split_at(number);
            if before.iter().any(|earlier| earlier.name.eq_ignore_ascii_case(field.name)) {
                continue;
            }
            map.serialize_entry(&*lower_case(field.name), &Values { fields, name: field.name })?;
        }
        map.end()
    }
}

impl JsonSchema for Headers<'_> {
    fn schema_name() -> Cow<'static, str> {
        "Headers".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = BTreeMap::<String, Vec<Text<'_>>>::json_schema(generator);
        schema.insert(
            "description".into(),
            "Values of each field, by its name in lower case.".into(),
        );
        schema
    }
}

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            self.fields
                .iter()
                .filter(|field| field.name.eq_ignore_ascii_case(self.name))
                .map(|field| Text::from(field.value)),
        )
    }
}

fn lower_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        name.to_ascii_lowercase().into()
    } else {
        name.into()
    }
}

/// Two spaces and the media type, as protocol analysers end a row whose
/// message has a body.
fn write_mime_type(
    formatter: &mut fmt::Formatter<'_>,
    has_body: bool,
    mime_type: Option<&Text<'_>>,
) -> fmt::Result {
    match mime_type {
        Some(mime_type) if has_body => write!(formatter, "  ({mime_type})"),
        _ => Ok(()),
    }
}

impl fmt::Display for Request<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RequestHttp { version, request } = &self.http;
        formatter.write_str(request.method)?;
        if let Some(target) = &self.url.original {
            write!(formatter, " {target}")?;
        }
        if !version.is_empty() {
            write!(formatter, " HTTP/{version}")?;
        }
        write_mime_type(formatter, self.has_body, request.mime_type.as_ref())
    }
}

impl fmt::Display for Response<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ResponseHttp { version, response } = &self.http;
        write!(formatter, "HTTP/{version} {:03}", response.status_code)?;
        if let Some(reason) = &response.reason {
            write!(formatter, " {reason}")?;
        }
        write_mime_type(formatter, self.has_body, response.mime_type.as_ref())
    }
}

impl Describe for Request<'_> {}

impl Describe for Response<'_> {
    fn is_failure(&self) -> bool {
        self.http.response.status_code >= 400
    }
}
