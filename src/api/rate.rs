//! How much is let in on this node: of a key's requests and operations by the second, of its sockets and streams at once,
//! and of requests without a known key by address and minute.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use governor::clock::Clock as _;
use governor::middleware::{StateInformationMiddleware, StateSnapshot};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::ApiLimits;
use super::error::ApiError;

/// How often keys and addresses that rest are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(30);
/// When to try again for a seat: nobody knows when one becomes free.
const SEAT_RETRY: Duration = Duration::from_secs(1);

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

type Limiter<K> = DefaultKeyedRateLimiter<K, StateInformationMiddleware>;

/// All rates of a node. Cheap to clone.
#[derive(Clone)]
pub struct Rates {
    shared: Arc<Shared>,
}

struct Shared {
    keys: Limiter<Uuid>,
    strangers: Limiter<IpAddr>,
    seats: Mutex<HashMap<Uuid, usize>>,
    seats_max: usize,
    per_second: u32,
    burst: u32,
}

impl std::fmt::Debug for Rates {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Rates").finish_non_exhaustive()
    }
}

impl Rates {
    /// Nobody has asked for anything yet.
    #[must_use]
    pub fn new(limits: &ApiLimits) -> Self {
        let keys = Quota::per_second(limits.rate_per_key_per_second).allow_burst(limits.rate_burst);
        let strangers = Quota::per_minute(limits.failed_auth_per_minute);
        Self {
            shared: Arc::new(Shared {
                keys: RateLimiter::keyed(keys).with_middleware(),
                strangers: RateLimiter::keyed(strangers).with_middleware(),
                seats: Mutex::new(HashMap::new()),
                seats_max: limits.sockets_per_key_max,
                per_second: limits.rate_per_key_per_second.get(),
                burst: limits.rate_burst.get(),
            }),
        }
    }

    /// Forgets those that rest, now and then, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut every = tokio::time::interval(FORGET_EVERY);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = every.tick() => {
                    self.shared.keys.retain_recent();
                    self.shared.strangers.retain_recent();
                }
            }
        }
    }

    /// Counts one request or operation of a key; the meter learns what is left.
    ///
    /// # Errors
    /// The key has asked for too much.
    pub(super) fn spend(&self, key_id: Uuid, meter: Option<&Meter>) -> Result<(), ApiError> {
        let spent = self.shared.keys.check_key(&key_id);
        if let Some(meter) = meter {
            let left = spent.as_ref().map_or(0, StateSnapshot::remaining_burst_capacity);
            let _ = meter.0.set(left);
        }
        spent.map(drop).map_err(|until| {
            let wait = until.wait_time_from(self.shared.keys.clock().now());
            limited("this key asks for too much at once", wait)
        })
    }

    /// Counts one request without a known key.
    ///
    /// # Errors
    /// The address has made too many.
    pub(super) fn spend_as_stranger(&self, address: IpAddr) -> Result<(), ApiError> {
        let spent = self.shared.strangers.check_key(&network(address));
        spent.map(drop).map_err(|until| {
            let wait = until.wait_time_from(self.shared.strangers.clock().now());
            limited("this address makes too many requests without a known key", wait)
        })
    }

    /// A place for one more socket or stream of a key, until it is dropped.
    ///
    /// # Errors
    /// The key has no more places.
    pub(super) fn seat(&self, key_id: Uuid) -> Result<Seat, ApiError> {
        let mut seats = self.shared.seats.lock();
        let taken = seats.get(&key_id).copied().unwrap_or(0);
        if taken >= self.shared.seats_max {
            let message = format!("a key has at most {} sockets and streams open", self.shared.seats_max);
            return Err(limited(message, SEAT_RETRY));
        }
        seats.insert(key_id, taken.saturating_add(1));
        drop(seats);
        Ok(Seat {
            shared: Arc::clone(&self.shared),
            key_id,
        })
    }

    /// The headers of `draft-ietf-httpapi-ratelimit-headers`: the burst, how long it takes to fill again from nothing,
    /// what is left of it, and how long it takes to be whole again.
    fn describe(&self, left: u32, headers: &mut HeaderMap) {
        let Shared { per_second, burst, .. } = *self.shared;
        let seconds = |amount: u32| amount.div_ceil(per_second);
        let window = seconds(burst).max(1);
        let whole = seconds(burst.saturating_sub(left));
        for (name, text) in [
            (RATE_LIMIT_POLICY, format!("\"default\";q={burst};w={window}")),
            (RATE_LIMIT, format!("\"default\";r={left};t={whole}")),
        ] {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        }
    }
}

fn limited(message: impl Into<String>, wait: Duration) -> ApiError {
    let mut error = ApiError::new("RATE_LIMITED", message);
    let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
    error.details.insert("retryAfterMs".into(), wait_ms.into());
    error
}

/// A socket or stream that is open.
pub(super) struct Seat {
    shared: Arc<Shared>,
    key_id: Uuid,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.shared.seats.lock();
        if let Some(taken) = seats.get_mut(&self.key_id) {
            *taken = taken.saturating_sub(1);
            if *taken == 0 {
                seats.remove(&self.key_id);
            }
        }
    }
}

/// What a request's key has left, for the headers of the answer; empty while nobody knows who asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter(Arc<OnceLock<u32>>);

/// Gives each request its meter, and each answer to a known key what the meter says.
pub(super) async fn measure(State(rates): State<Rates>, mut request: Request, next: Next) -> Response {
    let meter = Meter::default();
    request.extensions_mut().insert(meter.clone());
    let mut response = next.run(request).await;
    if let Some(left) = meter.0.get() {
        rates.describe(*left, response.headers_mut());
    }
    response
}

/// Where a request came from; behind a proxy, the proxy.
pub(super) fn peer(extensions: &Extensions) -> IpAddr {
    let address = extensions.get::<ConnectInfo<SocketAddr>>();
    address.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip())
}

/// What one customer of a provider has: an address of IPv4, or the first half of one of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [one, two, three, four, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(one, two, three, four, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Uuid = Uuid::from_u128(1);
    const TWO: Uuid = Uuid::from_u128(2);

    /// Nothing comes back within a test.
    fn rates() -> Rates {
        let quota = |burst| Quota::per_hour(std::num::NonZeroU32::MIN).allow_burst(burst);
        let burst = std::num::NonZeroU32::new(3).unwrap();
        Rates {
            shared: Arc::new(Shared {
                keys: RateLimiter::keyed(quota(burst)).with_middleware(),
                strangers: RateLimiter::keyed(quota(burst)).with_middleware(),
                seats: Mutex::new(HashMap::new()),
                seats_max: 2,
                per_second: 2,
                burst: 3,
            }),
        }
    }

    #[test]
    fn a_burst_goes_through_and_what_follows_waits() {
        let rates = rates();
        for left in [2, 1, 0] {
            let meter = Meter::default();
            rates.spend(ONE, Some(&meter)).unwrap();
            assert_eq!(meter.0.get(), Some(&left));
        }
        let meter = Meter::default();
        let error = rates.spend(ONE, Some(&meter)).unwrap_err();
        assert_eq!((error.code, meter.0.get()), ("RATE_LIMITED", Some(&0)));
        assert!((3_500_000..=3_600_000).contains(&error.retry_after_ms().unwrap()));
        rates.spend(TWO, None).unwrap();
    }

    #[test]
    fn a_network_counts_as_one_stranger() {
        let rates = rates();
        for address in ["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::"] {
            rates.spend_as_stranger(address.parse().unwrap()).unwrap();
        }
        assert!(rates.spend_as_stranger("2001:db8::4".parse().unwrap()).is_err());
        for address in ["2001:db8:0:1::1", "192.0.2.1", "192.0.2.2"] {
            rates.spend_as_stranger(address.parse().unwrap()).unwrap();
        }
        assert_eq!(
            network("::ffff:192.0.2.1".parse().unwrap()),
            network("192.0.2.1".parse().unwrap())
        );
    }

    #[test]
    fn a_seat_that_is_given_up_is_free() {
        let rates = rates();
        let (first, second) = (rates.seat(ONE).unwrap(), rates.seat(ONE).unwrap());
        assert!(rates.seat(ONE).is_err());
        drop(rates.seat(TWO).unwrap());
        drop(first);
        drop(rates.seat(ONE).unwrap());
        drop(second);
        assert!(rates.shared.seats.lock().is_empty());
    }

    #[test]
    fn headers_say_what_is_left_and_when_all_is_back() {
        let mut headers = HeaderMap::new();
        rates().describe(0, &mut headers);
        assert_eq!(headers[RATE_LIMIT_POLICY], "\"default\";q=3;w=2");
        assert_eq!(headers[RATE_LIMIT], "\"default\";r=0;t=2");
        rates().describe(3, &mut headers);
        assert_eq!(headers[RATE_LIMIT], "\"default\";r=3;t=0");
    }
}
