ALTER TABLE "letter_requests" ADD COLUMN "via" text;--> statement-breakpoint
ALTER TABLE "outbox" ADD COLUMN "via" text;