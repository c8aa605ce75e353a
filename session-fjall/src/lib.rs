//! The embedded session store on fjall.
