//! A store that answers politely, but not what it was asked: it ignores a header or a parameter of the request, or
//! leaves something out of its answer, repeats it otherwise, or contradicts itself.

use std::collections::HashMap;

use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Method, Request, Response, Uri,
    header::{AUTHORIZATION, HeaderName, HeaderValue},
};
use s3s::Body;

use super::{
    fault::{Fault, Slip},
    response::{Dropped, split},
};

/// Checksums as they were sent, by the path of their object.
pub(super) type Echoes = HashMap<String, Vec<(HeaderName, HeaderValue)>>;

/// A request whose checksum, or whose headers, are returned without being verified.
pub(super) struct Echo {
    path: String,
    sent: Vec<(HeaderName, HeaderValue)>,
}

impl Echo {
    pub(super) fn of<B>(faults: &[Fault], request: &Request<B>) -> Option<Self> {
        let all = faults.contains(&Fault::EchoHeaders);
        let stores = request.method() == Method::PUT || request.method() == Method::POST;
        let is_echoed = |name: &HeaderName| {
            if all { stores && name.as_str().starts_with("x-amz-") } else { is_checksum(name) }
        };
        let sent = request.headers().iter().filter(|(name, _)| is_echoed(name));
        let sent = sent.map(|(name, value)| (name.clone(), value.clone())).collect();
        let path = request.uri().path().to_owned();
        (all || faults.contains(&Fault::EchoChecksum)).then_some(Self { path, sent })
    }

    /// Lets the answer have what was sent now or before, and nothing that was computed.
    pub(super) fn answer(self, echoes: &mut Echoes, headers: &mut HeaderMap) {
        let computed: Vec<_> = headers.keys().filter(|name| is_checksum(name)).cloned().collect();
        for name in computed {
            headers.remove(name);
        }
        if !self.sent.is_empty() {
            echoes.insert(self.path.clone(), self.sent);
        }
        headers.extend(echoes.get(&self.path).into_iter().flatten().cloned());
    }
}

fn is_checksum(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("x-amz-checksum-")
        && !["mode", "type", "algorithm"].iter().any(|end| name.ends_with(end))
}

/// Returns whether these let a request reach the service otherwise than it was signed.
pub(super) fn changes(faults: &[Fault]) -> bool {
    let changes =
        |fault: &Fault| matches!(fault, Fault::Ignore(_) | Fault::EchoChecksum | Fault::Damage);
    faults.iter().any(changes)
}

/// Returns the request as the service gets it.
pub(super) async fn changed(
    request: Request<Body>,
    faults: &[Fault],
) -> Result<Request<Body>, Dropped> {
    let mut request = without(request, &ignored(faults));
    if faults.contains(&Fault::EchoChecksum) {
        let sent: Vec<_> =
            request.headers().keys().filter(|name| is_checksum(name)).cloned().collect();
        for name in sent {
            request.headers_mut().remove(name);
        }
    }
    if !faults.contains(&Fault::Damage) {
        return Ok(request);
    }
    let (parts, body) = request.into_parts();
    let mut bytes = BodyExt::collect(body).await.map_err(|_| Dropped)?.to_bytes().to_vec();
    if let Some(first) = bytes.first_mut() {
        *first ^= 1;
    }
    Ok(Request::from_parts(parts, Body::from(bytes::Bytes::from(bytes))))
}

/// Returns the headers and parameters that are ignored.
fn ignored(faults: &[Fault]) -> Vec<&str> {
    faults
        .iter()
        .filter_map(|fault| match fault {
            Fault::Ignore(name) => Some(name.as_str()),
            _ => None,
        })
        .collect()
}

/// Returns a request without these headers and parameters, and without the signature that covers them.
fn without<B>(mut request: Request<B>, names: &[&str]) -> Request<B> {
    for name in names.iter().chain(&[AUTHORIZATION.as_str()]) {
        request.headers_mut().remove(*name);
    }
    let uri = request.uri();
    let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let left: Vec<_> = pairs.filter(|pair| !names.contains(&name_of(pair))).collect();
    let query = if left.is_empty() { String::new() } else { format!("?{}", left.join("&")) };
    let uri = format!("{}{query}", uri.path()).parse::<Uri>();
    *request.uri_mut() = uri.expect("part of an address is one");
    request
}

fn name_of(pair: &str) -> &str {
    pair.split('=').next().unwrap_or_default()
}

/// Returns the names of what a request asks for: its headers and parameters.
pub(super) fn asked<B>(request: &Request<B>) -> Vec<String> {
    let query = request.uri().query().unwrap_or_default();
    let parameters = query.split('&').map(name_of).filter(|name| !name.is_empty());
    let headers = request.headers().keys().map(HeaderName::as_str);
    headers.chain(parameters).map(str::to_owned).collect()
}

/// Returns an answer in which something happened to the header or the elements of this name.
pub(super) async fn slipped(
    answer: Response<Body>,
    slip: Slip,
    name: &str,
) -> Result<Response<Body>, Dropped> {
    let (mut parts, bytes) = split(answer).await?;
    slip_header(&mut parts.headers, slip, name);
    let text = std::str::from_utf8(&bytes).ok().filter(|text| text.starts_with("<?xml"));
    let changed = text.filter(|text| text.contains(&format!("<{name}>")));
    let Some(changed) = changed.map(|text| slip_elements(text, slip, name)) else {
        return Ok(Response::from_parts(parts, Body::from(bytes)));
    };
    parts.headers.remove("content-length");
    Ok(Response::from_parts(parts, Body::from(changed)))
}

fn slip_header(headers: &mut HeaderMap, slip: Slip, name: &str) {
    let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) else { return };
    let other = HeaderValue::try_from(other(value)).expect("it is ASCII as before");
    let name = HeaderName::try_from(name).expect("it is the name of a header");
    match slip {
        Slip::LeaveOut => drop(headers.remove(name)),
        Slip::Repeat => drop(headers.append(name, other)),
        Slip::Contradict => drop(headers.insert(name, other)),
    }
}

/// Changes all elements of this name, of which none is in another.
fn slip_elements(xml: &str, slip: Slip, name: &str) -> String {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut pieces = xml.split(&open);
    let mut left = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let Some((value, rest)) = piece.split_once(&close) else {
            left.extend([open.as_str(), piece]);
            continue;
        };
        let element = |value: &str| format!("{open}{value}{close}");
        left.push_str(&match slip {
            Slip::LeaveOut => String::new(),
            Slip::Repeat => element(value) + &element(&other(value)),
            Slip::Contradict => element(&other(value)),
        });
        left.push_str(rest);
    }
    left
}

/// Returns another value of the same sort; what holds other elements stays.
fn other(value: &str) -> String {
    let next = |c: char| match c {
        '9' => '0',
        'z' => 'a',
        'Z' => 'A',
        c => char::from_u32(u32::from(c) + 1).unwrap_or(c),
    };
    let at = value.find(|c: char| c.is_ascii_digit());
    match (value, at.or_else(|| value.find(|c: char| c.is_ascii_alphabetic()))) {
        ("true", _) => "false".to_owned(),
        ("false", _) => "true".to_owned(),
        (value, Some(at)) if !value.starts_with('<') => {
            let c = value[at..].chars().next().expect("it was found there");
            format!("{}{}{}", &value[..at], next(c), &value[at + c.len_utf8()..])
        }
        (value, _) => value.to_owned(),
    }
}

/// Returns the names of the headers and elements of an answer.
pub(super) async fn told(answer: Response<Body>) -> Result<(Vec<String>, Response<Body>), Dropped> {
    let (parts, bytes) = split(answer).await?;
    let mut names: Vec<String> = parts.headers.keys().map(ToString::to_string).collect();
    let text = std::str::from_utf8(&bytes).ok().filter(|text| text.starts_with("<?xml"));
    let mut elements = text.unwrap_or_default().split('<').filter_map(|piece| {
        let name = piece.split('>').next()?;
        name.chars().all(char::is_alphanumeric).then(|| name.to_owned())
    });
    names.extend(elements.by_ref().filter(|name| !name.is_empty()));
    names.sort();
    names.dedup();
    Ok((names, Response::from_parts(parts, Body::from(bytes))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_gone_with_the_signature() {
        let request = Request::get("/b/k?uploadId=u&partNumber=1").header("range", "bytes=0-0");
        let request =
            request.header("authorization", "x").header("if-match", "y").body(()).unwrap();

        let request = without(request, &["range", "uploadId"]);

        assert_eq!(request.uri(), "/b/k?partNumber=1");
        assert_eq!(asked(&request), ["if-match", "partNumber"]);
    }

    #[test]
    fn an_answer_slips_in_one_field() {
        let xml = "<?xml?><R><Key>a1</Key><Size>9</Size></R>";
        let slip = |slip, name| slip_elements(xml, slip, name);

        assert_eq!(slip(Slip::LeaveOut, "Key"), "<?xml?><R><Size>9</Size></R>");
        assert_eq!(slip(Slip::Contradict, "Size"), "<?xml?><R><Key>a1</Key><Size>0</Size></R>");
        assert_eq!(
            slip(Slip::Repeat, "Key"),
            "<?xml?><R><Key>a1</Key><Key>a2</Key><Size>9</Size></R>"
        );
        assert_eq!(slip(Slip::LeaveOut, "Ke"), xml);
        assert_eq!(other("\"ab\""), "\"bb\"");
        assert_eq!(other("true"), "false");
    }
}
