//! The actor that admits sessions and lets them go. It decides alone, so limits are exact.

use std::sync::Arc;

use actix::{Actor, Context, Handler, MessageResult};
use parking_lot::RwLock;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Refusal;
use super::messages::{Admit, Leave};
use super::table::Table;
use crate::base::TokenBucket;
use crate::starling::options::ConnectionOptions;
use crate::starling::shared::Shared;

/// Orders that may wait. Whoever sends more waits with them.
const MAILBOX: usize = 1024;

/// Admits sessions and lets them go.
#[derive(Debug)]
pub struct StarlingsManager {
    max: usize,
    max_per_address: usize,
    rate: Option<TokenBucket>,
    shared: Arc<Shared>,
    table: Arc<RwLock<Table>>,
    /// Cancels its token when the actor ends, be it by a panic.
    _alive: DropGuard,
}

impl StarlingsManager {
    pub(super) fn new(
        options: &ConnectionOptions,
        shared: Arc<Shared>,
        table: Arc<RwLock<Table>>,
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
            table,
            _alive: gone.drop_guard(),
        }
    }

    fn admit(&mut self, order: Admit) -> Result<(), Refusal> {
        let mut table = self.table.write();
        if table.len() >= self.max {
            return Err(Refusal::Full);
        }
        let limit = self.max_per_address;
        if limit > 0 && order.address.is_some_and(|address| table.count_of_address(address) >= limit) {
            return Err(Refusal::Address);
        }
        if let Some(rate) = &mut self.rate {
            let now_ms = self.shared.clock.now_ms();
            rate.take(now_ms).map_err(|retry_after_ms| Refusal::Rate { retry_after_ms })?;
        }
        table.insert(order.session, order.address.filter(|_| limit > 0));
        Ok(())
    }
}

impl Actor for StarlingsManager {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX);
    }
}

impl Handler<Admit> for StarlingsManager {
    type Result = MessageResult<Admit>;

    fn handle(&mut self, order: Admit, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.admit(order))
    }
}

impl Handler<Leave> for StarlingsManager {
    type Result = ();

    fn handle(&mut self, order: Leave, _: &mut Context<Self>) {
        self.table.write().remove(order.id);
    }
}
