//! The actor that admits connections and ends sessions whose peers do not come back. It admits alone, so limits
//! are exact.

use std::sync::Arc;

use actix::{Actor, AsyncContext, Context, Handler, MessageResult};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Refusal;
use super::messages::Admit;
use super::places::{Place, Places};
use crate::base::TokenBucket;
use crate::starling::absences::TICK;
use crate::starling::options::ConnectionOptions;
use crate::starling::shared::Shared;

/// Orders that may wait. Whoever sends more waits with them.
const MAILBOX: usize = 1024;

/// Admits connections, and ends sessions whose peers do not come back.
#[derive(Debug)]
pub struct StarlingsManager {
    max: usize,
    max_per_address: usize,
    rate: Option<TokenBucket>,
    shared: Arc<Shared>,
    places: Arc<Places>,
    /// Cancels its token when the actor ends, be it by a panic.
    _alive: DropGuard,
}

impl StarlingsManager {
    pub(super) fn new(
        options: &ConnectionOptions,
        shared: Arc<Shared>,
        places: Arc<Places>,
        gone: CancellationToken,
    ) -> Self {
        let now_ms = shared.clock.now_ms();
        let per_second = options.per_second;
        let rate = (per_second > 0).then(|| TokenBucket::new(per_second, per_second, now_ms));
        Self {
            max: options.max,
            max_per_address: options.max_per_address,
            rate,
            shared,
            places,
            _alive: gone.drop_guard(),
        }
    }

    fn admit(&mut self, order: &Admit) -> Result<Place, Refusal> {
        let places = &self.places;
        if places.count() >= self.max {
            return Err(Refusal::Full);
        }
        let limit = self.max_per_address;
        if limit > 0 && order.address.is_some_and(|address| places.count_of_address(address) >= limit) {
            return Err(Refusal::Address);
        }
        if let Some(rate) = &mut self.rate {
            let now_ms = self.shared.clock.now_ms();
            rate.take(now_ms).map_err(|retry_after_ms| Refusal::Rate { retry_after_ms })?;
        }
        Ok(places.take(order.address.filter(|_| limit > 0)))
    }

    /// Ends what has waited for long enough.
    fn end_absences(&self) {
        for (id, absence) in self.shared.absences.over() {
            let session = self.shared.table.read().get(id);
            if let Some(session) = session {
                session.give_up_waiting(absence);
            }
        }
    }
}

impl Actor for StarlingsManager {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
        ctx.run_interval(TICK, |manager, _| manager.end_absences());
    }
}

impl Handler<Admit> for StarlingsManager {
    type Result = MessageResult<Admit>;

    fn handle(&mut self, order: Admit, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.admit(&order))
    }
}
