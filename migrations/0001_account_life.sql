CREATE TABLE "former_emails" (
	"id" uuid PRIMARY KEY NOT NULL,
	"user_id" bigint NOT NULL,
	"email" text NOT NULL,
	"email_key" text NOT NULL,
	"replaced_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "letter_requests" (
	"id" uuid PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"email_key" text NOT NULL,
	"may_be_sent" boolean NOT NULL,
	"ip" "inet" NOT NULL,
	"user_agent" text NOT NULL,
	"asked_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "password_history" (
	"id" uuid PRIMARY KEY NOT NULL,
	"user_id" bigint NOT NULL,
	"password_hash" text NOT NULL,
	"retired_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "widgets" (
	"user_id" bigint PRIMARY KEY NOT NULL,
	"document" text NOT NULL,
	"saved_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "outbox" ADD COLUMN "address" text;--> statement-breakpoint
ALTER TABLE "outbox" ADD COLUMN "address_key" text;--> statement-breakpoint
ALTER TABLE "outbox" ADD COLUMN "facts" jsonb;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "pending_email" text;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "pending_email_key" text;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "erased_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "former_emails" ADD CONSTRAINT "former_emails_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "password_history" ADD CONSTRAINT "password_history_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "widgets" ADD CONSTRAINT "widgets_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "former_emails_user_id" ON "former_emails" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "former_emails_replaced_at" ON "former_emails" USING btree ("replaced_at");--> statement-breakpoint
CREATE INDEX "password_history_user_id" ON "password_history" USING btree ("user_id","retired_at");--> statement-breakpoint
CREATE INDEX "counters_window_ends_at" ON "counters" USING btree ("window_ends_at");--> statement-breakpoint
CREATE INDEX "outbox_closed" ON "outbox" USING btree ("created_at") WHERE "outbox"."sent_at" IS NOT NULL OR "outbox"."failed_at" IS NOT NULL;--> statement-breakpoint
CREATE INDEX "outbox_user_id" ON "outbox" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "users_unconfirmed" ON "users" USING btree ("created_at") WHERE "users"."activated_at" IS NULL;--> statement-breakpoint
CREATE INDEX "users_erased_at" ON "users" USING btree ("erased_at") WHERE "users"."erased_at" IS NOT NULL;